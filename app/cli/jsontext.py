"""JSON as text, which a command prints as it came: no number loses a digit, no member its place."""

import json
import re

_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|\s+')


def line(text: str) -> str:
    """Return the same JSON value in one line, without a character that could control a terminal: those are escaped."""
    return _PARTS.sub(lambda found: safe(found[0]) if found[0][0] == '"' else "", text)


def safe(text: str) -> str:
    """Return the same JSON value with its lines, without characters that could control a terminal."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" else " " if one == "\r" else json.dumps(one)[1:-1] for one in text
    )
