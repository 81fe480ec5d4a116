"""Log lines for people: one event a line, and below it its traceback, if any."""

import json
import time
from collections.abc import Mapping
from typing import Any

_LEVEL, _EVENT = 7, 20
"""Columns, in characters."""
_COLORS = {"debug": "2", "warning": "33", "error": "31", "critical": "31;1"}
_BESIDES = ("requestId", "process")
"""Members that come last: most readers pass over them."""


def shape(line: Mapping[str, Any], *, seconds: float, is_colored: bool) -> str:
    """Return a line of `log.py` with the local time of `seconds` since the epoch; its level colored, if so.

    Nothing in it can move the cursor or change the terminal, whoever wrote it.
    """
    known = {"time", "level", "event", "traceback", *_BESIDES}
    members = [*(name for name in line if name not in known), *(name for name in _BESIDES if name in line)]
    level = f"{line['level'].upper():{_LEVEL}}"
    if is_colored and (color := _COLORS.get(line["level"])):
        level = f"\x1b[{color}m{level}\x1b[0m"
    clock = f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{int(seconds % 1 * 1000):03d}"
    about = " ".join(f"{_visible(name)}={_value(line[name])}" for name in members)
    first = f"{clock} {level} {_visible(str(line['event'])):{_EVENT}} {about}".rstrip()
    below = (f"    {_visible(one)}" for one in str(line.get("traceback", "")).splitlines())
    return "\n".join([first, *below])


def _value(value: Any) -> str:
    """Return a value as it is, if it is a plain word; else as JSON."""
    if isinstance(value, str) and value and value.isprintable() and not set(value) & set(' "='):
        return value
    return _visible(json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":")))


def _visible(text: str) -> str:
    """Return a text with what a terminal would act upon escaped."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
