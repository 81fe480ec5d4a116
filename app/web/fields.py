"""Fields with the types of the contract: marshmallow's own accept `true` as 1 and "5" as 5."""

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields

from app.domain import fingerprint
from app.domain.jobfilter import TIME_MAX, moment_fault

NOT_WHOLE = "must be an integer"


class Whole(fields.Field[int]):
    """An integer from `low` to `high`, written 5 or 5.0; null counts as absent unless `allow_none` is false."""

    def __init__(self, low: int, high: int, **options: Any) -> None:
        """Set the limits, both inclusive."""
        super().__init__(**{"allow_none": True} | options)
        self.low, self.high = low, high

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError(NOT_WHOLE)
        if not self.low <= value <= self.high:
            raise ValidationError(f"must be between {self.low} and {self.high}")
        return value


class WholeText(Whole):
    """An integer in a query: digits, perhaps after a minus sign."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> int:
        digits = value.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > len(str(self.high)) + 10:
            raise ValidationError(NOT_WHOLE)
        return super()._deserialize(int(value), *args, **options)


class Moment(Whole):
    """A time to look for, in ms since the epoch."""

    def __init__(self, about: str, **options: Any) -> None:
        """Set what is said of it in the OpenAPI document."""
        super().__init__(0, TIME_MAX, metadata={"description": f"{about}; ms since the epoch"}, **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> int:
        return _moment(super()._deserialize, value, *args, **options)


class MomentText(WholeText):
    """The same in a query."""

    def __init__(self, about: str) -> None:
        """Set what is said of it in the OpenAPI document."""
        super().__init__(0, TIME_MAX, metadata={"description": f"{about}; ms since the epoch"})

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> int:
        return _moment(super()._deserialize, value, *args, **options)


def _moment(whole: Callable[..., int], *args: Any, **options: Any) -> int:
    try:
        ms = whole(*args, **options)
    except ValidationError as error:
        if error.messages != [NOT_WHOLE]:
            raise
        raise ValidationError(f"{NOT_WHOLE}: ms since the epoch") from None
    if fault := moment_fault(ms):
        raise ValidationError(fault)
    return ms


class Number(fields.Field[float]):
    """A number from `low` to `high`; null counts as absent."""

    def __init__(self, low: float, high: float, **options: Any) -> None:
        """Set the limits, both inclusive."""
        super().__init__(allow_none=True, **options)
        self.low, self.high = low, high

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("must be a number")
        if not self.low <= value <= self.high:
            raise ValidationError(f"must be between {self.low} and {self.high}")
        return float(value)


class Flag(fields.Field[bool]):
    """true or false; null counts as absent."""

    def __init__(self, **options: Any) -> None:
        """Allow null, unless `allow_none` is false."""
        super().__init__(**{"allow_none": True} | options)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class Text(fields.Field[str]):
    """A string of at most `longest` characters."""

    def __init__(self, longest: int, **options: Any) -> None:
        """Set the limits."""
        super().__init__(**options)
        self.longest = longest

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be a string")
        if len(value) > self.longest:
            raise ValidationError(f"must be at most {self.longest} characters, not {len(value)}")
        return value


class Filter(Text):
    """A word of a query to look for."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        text = super()._deserialize(value, *args, **options)
        if "\x00" in text:
            raise ValidationError("must not contain NUL")
        return text


class Fingerprint(Text):
    """The fingerprint of a failure."""

    def __init__(self, **options: Any) -> None:
        """Say what it is in the OpenAPI document."""
        about = "failed jobs whose failures have this fingerprint, see `GET /queues/:queue/failures`; needs `payload`"
        super().__init__(fingerprint.LENGTH, metadata={"description": about}, **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        text = super()._deserialize(value, *args, **options)
        if fault := fingerprint.fault(text):
            raise ValidationError(fault)
        return text


class Texts(fields.Field[list[str]]):
    """An array of up to `max_items` strings of 1 to `longest` characters; null counts as absent, as of `Whole`."""

    def __init__(self, max_items: int, longest: int, **options: Any) -> None:
        """Set the limits."""
        super().__init__(**{"allow_none": True} | options)
        self.max_items, self.longest = max_items, longest

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValidationError("must be an array of strings")
        if len(value) > self.max_items:
            raise ValidationError(f"must hold at most {self.max_items} strings")
        faults: dict[int | str, Any] = {}
        for nth, text in enumerate(value):
            if not isinstance(text, str):
                faults[nth] = ["must be a string"]
            elif not text:
                faults[nth] = ["must not be empty"]
            elif len(text) > self.longest:
                faults[nth] = [f"must be at most {self.longest} characters, not {len(text)}"]
        if faults:
            raise ValidationError(faults)
        return value


class StringOrLines(fields.Field[str]):
    """A string, or an array of strings, which are its lines; null counts as absent."""

    def __init__(self, **options: Any) -> None:
        """Allow null."""
        super().__init__(allow_none=True, **options)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        lines = value if isinstance(value, list) else [value]
        if not all(isinstance(line, str) for line in lines):
            raise ValidationError("must be a string or an array of strings")
        return "\n".join(lines)


class NotYet(fields.Field[None]):
    """An option of the contract that is not implemented: rejected by name, not ignored."""

    def __init__(self, **options: Any) -> None:
        """Allow null, which counts as absent."""
        super().__init__(allow_none=True, **options)

    def _deserialize(self, *_: Any, **__: Any) -> None:
        raise ValidationError("is an option that Rowline does not have yet")


class Unfit(fields.Field[None]):
    """An option that does not fit here: rejected by name, with the reason."""

    def __init__(self, why: str, **options: Any) -> None:
        """Allow null, which counts as absent. `why` is a sentence without its full stop."""
        super().__init__(allow_none=True, **options)
        self.why = why

    def _deserialize(self, *_: Any, **__: Any) -> None:
        raise ValidationError(f"must not be there: {self.why}")
