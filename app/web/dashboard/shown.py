"""How values look: numbers, times, durations, names in addresses, JSON as it was sent."""

import re
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Undefined
from jinja2.utils import missing
from markupsafe import Markup, escape

LIMIT = 64 * 1024
"""So many bytes of a payload are on a page; the rest is a download."""
LINE = 160
STATUSES = ("waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed")
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (float("inf"), 86_400, "d"))
_NOW_S = 2
_CODE = Markup("<code>{}</code>")
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID = re.compile(UUID, re.ASCII)


class Absent(Undefined):
    """A member that the API left out is empty and false; a name that no page gave is a mistake, and an error."""

    def __bool__(self) -> bool:
        """Return False."""
        if self._undefined_obj is missing:
            self._fail_with_undefined_error()
        return False

    def __str__(self) -> str:
        """Return nothing."""
        bool(self)
        return ""


def number(value: float) -> str:
    """Return a number with its thousands separated."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def span(ms: float) -> str:
    """Return how long something takes: 12 ms, 3.4 s, 5 min, 2 h, 4 d."""
    seconds = abs(ms) / 1000
    sign = "-" if ms < 0 else ""
    if seconds < 1:
        return f"{sign}{round(abs(ms))} ms"
    if seconds < 10:  # noqa: PLR2004 - a digit more while it says something
        return f"{sign}{seconds:.1f} s"
    return sign + _rough(seconds)


def exact(ms: int) -> str:
    """Return a duration as a whole number of its largest unit: 5 min, 90 s, 1500 ms."""
    whole = [(unit * 1000, word) for _, unit, word in _STEPS if ms and ms % (unit * 1000) == 0]
    length, word = whole[-1] if whole else (1, "ms")
    return f"{ms // length} {word}"


def when(ms: int) -> Markup:
    """Return a moment: how long ago or ahead, with its full time for machines and for who points at it."""
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup("{}").format(ms)
    seconds = time.time() - ms / 1000
    words = "now" if abs(seconds) < _NOW_S else f"{_rough(seconds)} ago" if seconds > 0 else f"in {_rough(-seconds)}"
    exact = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(exact, words)


def clock(ms: int) -> Markup:
    """Return a moment as date and time of UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="milliseconds"), moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    )


def minute(ms: int) -> Markup:
    """Return a moment as date and minute of UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), moment.strftime("%Y-%m-%d %H:%M"))


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(name, safe="")


def line(text: str | None) -> str:
    """Return the first line of a text, cut where it is long."""
    first = next((each for each in (text or "").splitlines() if each.strip()), "")
    return first if len(first) <= LINE else f"{first[:LINE]}…"


def codes(text: str, plain: Callable[[str], Markup] = escape) -> Markup:
    """Return a text with what stands between backticks, such as a command, as code, and the rest as `plain` has it."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return Markup("").join(_CODE.format(part) if nth % 2 else plain(part) for nth, part in enumerate(parts))


def brief(text: str | Undefined) -> str | Undefined:
    """Return the beginning of a UUID, which tells it from others in a list; any other text as it is."""
    if isinstance(text, Undefined):
        return text
    return f"{text[:8]}…" if _UUID.fullmatch(text) else text


def pretty(raw: bytes | str) -> str:
    """Return JSON with its lines indented, numbers as they were written, up to LIMIT."""
    text = raw if isinstance(raw, bytes) else raw.encode()
    formatted = msgspec.json.format(text, indent=2)
    return formatted[:LIMIT].decode("utf-8", "ignore")


def is_cut(raw: bytes | str) -> bool:
    """Whether `pretty` shows not all of it."""
    return len(msgspec.json.format(raw if isinstance(raw, bytes) else raw.encode(), indent=2)) > LIMIT


def _rough(seconds: float) -> str:
    for below, unit, word in _STEPS:
        if seconds < below:
            return f"{int(seconds // unit)} {word}"
    raise AssertionError("the last step has no end")


FILTERS: dict[str, Any] = {
    "number": number,
    "span": span,
    "exact": exact,
    "when": when,
    "clock": clock,
    "minute": minute,
    "segment": segment,
    "quoted": shlex.quote,
    "line": line,
    "codes": codes,
    "brief": brief,
    "pretty": pretty,
    "is_cut": is_cut,
}
