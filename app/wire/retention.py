"""The JSON of retention."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from app.domain.retention import AGE_MAX_S, COUNT_MAX, FOR_EVER, SETTINGS, Keep, Retention

_LIMITS = {"age": AGE_MAX_S, "count": COUNT_MAX}
_KEPT: dict[str, Any] = {
    "oneOf": [
        {"type": "boolean"},
        {"type": "integer", "minimum": 0, "maximum": COUNT_MAX},
        {
            "type": "object",
            "properties": {name: {"type": "integer", "minimum": 0, "maximum": most} for name, most in _LIMITS.items()},
            "additionalProperties": False,
            "minProperties": 1,
        },
        {"type": "null"},
    ],
    "description": "true: none; false: for ever; a number: the newest; age: s since the end; null: not set",
}


class Kept(fields.Field[Keep]):
    """Which finished jobs are kept; null is None."""

    def __init__(self) -> None:
        """Allow null."""
        super().__init__(allow_none=True, metadata=_KEPT)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Keep:
        if isinstance(value, bool):
            return Keep(count=0) if value else FOR_EVER
        if not isinstance(value, dict):
            return Keep(count=_whole(value, COUNT_MAX, "must be true, false, a number or an object"))
        if unknown := [name for name in value if name not in _LIMITS]:
            raise ValidationError({unknown[0]: ["is not known here"]})
        if not value:
            raise ValidationError("must have age or count")
        faults: dict[str, Any] = {}
        read = {}
        for name, limit in value.items():
            try:
                read[name] = _whole(limit, _LIMITS[name], "must be an integer")
            except ValidationError as error:
                faults[name] = error.messages
        if faults:
            raise ValidationError(faults)
        return Keep(age_s=read.get("age"), count=read.get("count"))


def _whole(value: Any, most: int, otherwise: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(otherwise)
    if not 0 <= value <= most:
        raise ValidationError(f"must be between 0 and {most}")
    return value


class RetentionSchema(Schema):
    """What finished jobs are kept."""

    error_messages = {"unknown": "is not known here", "type": "must be an object"}  # noqa: RUF012 - as marshmallow has it
    removeOnComplete = Kept()
    removeOnFail = Kept()


class RetentionSetSchema(RetentionSchema):
    """The same in a response: only what is set."""


def dump(retention: Retention) -> dict[str, Any]:
    """Return the JSON of the settings that are set."""
    kept = {name: getattr(retention, field) for name, field in SETTINGS.items()}
    return {name: keep.json for name, keep in kept.items() if keep is not None}


def changes(loaded: Mapping[str, Keep | None]) -> dict[str, Keep | None]:
    """Return what is to be changed, by the fields of `Retention`."""
    return {SETTINGS[name]: keep for name, keep in loaded.items()}
