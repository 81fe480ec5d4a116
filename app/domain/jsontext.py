"""Which JSON we keep: what PostgreSQL's JSON operators and every client can read back, to the letter."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from app.domain.job import JsonText

DEPTH_MAX = 128  # arrays and objects within each other
DIGITS_MAX = 1_000  # of one integer
_MANY_DIGITS = re.compile(f"[0-9]{{{DIGITS_MAX + 1}}}")


class UnstorableJson(ValueError):
    """The text is no JSON, or JSON that could not be given back; the message is a predicate."""


def refuse_constant(word: str) -> object:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise UnstorableJson(f"must not contain {word}")


def _integer(digits: str) -> int:
    """Read an integer of any length that is good, whatever the interpreter's own limit on digits."""
    number = Decimal(digits)
    if number.adjusted() >= DIGITS_MAX:
        raise UnstorableJson(f"must not contain an integer of more than {DIGITS_MAX} digits")
    return int(number)


_scan_once: Callable[[str, int], tuple[object, int]] = json.JSONDecoder(parse_constant=refuse_constant).scan_once  # type: ignore[attr-defined]  # what raw_decode calls
_patient_decoder = json.JSONDecoder(parse_constant=refuse_constant, parse_int=_integer)
"""Slower; for texts that cannot be read, and for integers that are too long for the interpreter."""
_member_decoder = json.JSONDecoder(object_pairs_hook=list, parse_int=Decimal)
"""Reads an object as its pairs: of two members with one name a dict keeps the last, but both are stored."""
_LONG = min(2 * (DEPTH_MAX + 1), DIGITS_MAX + 1)
"""What is shorter is neither nested too deep nor has too many digits."""


def scan(text: str, start: int, *, is_kept: bool = True) -> tuple[object, int]:
    """Read the one JSON value that begins at `start` of `text`; return it and where it ends.

    Raises UnstorableJson for what is no JSON or cannot be stored; what is not kept may hold any characters. The value
    read has Python's numbers; who must keep the number literals keeps the text itself.
    """
    try:
        value, end = _scan_once(text, start)
    except (StopIteration, RecursionError, ValueError):
        value, end = _decoded(_patient_decoder, text, start)
    if is_kept and (end - start >= _LONG or text.find("\\u", start, end) >= 0):
        _check(text, start, end)
    return value, end


def whole(text: str) -> JsonText:
    """Check that `text` is exactly one storable JSON value, and return it. Raises UnstorableJson."""
    _value, end = scan(text, 0)
    if text[end:].strip(" \t\r\n"):
        raise UnstorableJson(f"is not JSON: extra data at character {end}")
    return JsonText(text)


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[object, int]:
    try:
        return decoder.raw_decode(text, start)
    except RecursionError:
        raise UnstorableJson(f"must not be nested deeper than {DEPTH_MAX}") from None
    except json.JSONDecodeError as error:
        raise UnstorableJson(f"is not JSON: {error.msg} at character {error.pos}") from None


def _check(text: str, start: int, end: int) -> None:
    """Look closer only where cheap signs in the text call for it."""
    is_deep = text.count("[", start, end) + text.count("{", start, end) > DEPTH_MAX
    is_odd = text.find("\\u", start, end) >= 0 or _MANY_DIGITS.search(text, start, end) is not None
    if not is_deep and not is_odd:
        return
    value, _end = _member_decoder.raw_decode(text, start)
    _check_depth(value)
    _check_leaves(value)


def _check_depth(value: object) -> None:
    level = [value]
    depth = 0
    while level := [item for item in level if isinstance(item, list)]:
        depth += 1
        if depth > DEPTH_MAX:
            raise UnstorableJson(f"must not be nested deeper than {DEPTH_MAX}")
        level = [child for item in level for child in _children(item)]


def _check_leaves(value: object) -> None:
    todo = [value]
    while todo:
        match todo.pop():
            case list() as container:
                todo.extend(_children(container))
            case str() as text:
                _check_string(text)
            case Decimal() as number if number.adjusted() >= DIGITS_MAX:
                raise UnstorableJson(f"must not contain an integer of more than {DIGITS_MAX} digits")


def _children(container: list[Any]) -> Iterator[object]:
    """Give the elements of an array, or the names and values of an object's pairs."""
    for child in container:
        yield from child if isinstance(child, tuple) else (child,)


def _check_string(text: str) -> None:
    if "\x00" in text:
        raise UnstorableJson("must not contain \\u0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnstorableJson("must not contain a lone surrogate") from None
