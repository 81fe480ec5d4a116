"""Reads single cookies: Werkzeug parses all of the field, which takes milliseconds for one of thousands."""

import functools
import re

from flask import Request


def named(asked: Request, name: str) -> str:
    """Return the first cookie of that name, as browsers send what the dashboard sets; "" if there is none."""
    field = asked.environ.get("HTTP_COOKIE")
    found = _wanted(name).search(field) if field else None
    return found[1] if found else ""


@functools.cache
def _wanted(name: str) -> re.Pattern[str]:
    """Return the pattern of a cookie. It begins with the name: what has that nowhere is passed over quickest."""
    name = re.escape(name)
    return re.compile(rf'{name}(?:(?<![^;]{name})|(?<=; {name}))=([^; \t"]*)')
