"""Lengths of time as people type them: 90s, 5m, 1h, 1d, or ms."""

import re

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"(\d{1,15}) ?(ms|s|m|h|d)?", re.ASCII)


def read(text: str) -> int | str:
    """Return ms; a text that is no length of time as it is, for the API to refuse."""
    found = _SPAN.fullmatch(text)
    return int(found[1]) * _UNITS[found[2] or "ms"] if found else text


def written(ms: int) -> str:
    """Return a length in the largest unit in which it is whole, as `read` takes it."""
    unit = next(unit for unit, length in reversed(_UNITS.items()) if ms % length == 0 and (ms or unit == "ms"))
    return f"{ms // _UNITS[unit]}{unit}"
