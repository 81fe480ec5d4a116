"""Lines of columns, in which texts that programs sent can imitate neither columns nor control sequences."""

import re
from collections.abc import Iterable

_SPACES = re.compile("(?<= ) ")
_HIDDEN = "\N{REPLACEMENT CHARACTER}"


def line(texts: Iterable[str | None]) -> str:
    """Return the texts that are not empty, with two spaces between them, which none of them has inside."""
    return "  ".join(map(_visible, filter(None, texts)))


def _visible(text: str) -> str:
    return _SPACES.sub(_HIDDEN, printable(text))


def printable(text: str) -> str:
    """Return a text without what could control a terminal."""
    return "".join(one if one.isprintable() else _HIDDEN for one in text)


def plain(text: str) -> str:
    """Return a text of several lines without what could control a terminal."""
    return "\n".join(map(printable, text.split("\n")))
