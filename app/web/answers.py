"""Answers: JSON, never stored by anybody on the way."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response

Text = orjson.Fragment
"""JSON that is text already, and goes out to the letter."""


def text(value: Any) -> str:
    """Return `value` as JSON."""
    return orjson.dumps(value).decode()


def dump(value: Any) -> bytes:
    """Return `value` as JSON; `orjson.Fragment`s in it go out to the letter."""
    return orjson.dumps(value)


def json(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with `value` as JSON; `orjson.Fragment`s in it go out to the letter."""
    head = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(orjson.dumps(value), status, head | headers if headers else head)


def plain(words: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with words."""
    response = Response(words, mimetype="text/plain", headers=dict(headers or {}))
    response.headers["Cache-Control"] = "no-store"
    return response
