"""Responses: JSON or plain text, which no cache may store."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response

from app.web.framework import WholeResponse

Text = orjson.Fragment
"""JSON text that is written into a response unchanged."""


def text(value: Any) -> str:
    """Return `value` as JSON text."""
    return orjson.dumps(value).decode()


def dump(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8; `orjson.Fragment`s in it are written unchanged."""
    return orjson.dumps(value)


def json(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Make a response of `value` as JSON; `orjson.Fragment`s in it are written unchanged."""
    head = {"Content-Type": "application/json", "Cache-Control": "no-store"} | (headers or {})
    return WholeResponse(orjson.dumps(value), status, [*head.items()])


def length(response: Response) -> int:
    """Return how long the body of a response is, in bytes; 0 if its length is not known before it is sent."""
    return int(response.headers.get("Content-Length", 0))


def plain(words: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Make a response of plain text."""
    response = Response(words, mimetype="text/plain", headers=dict(headers or {}))
    response.headers["Cache-Control"] = "no-store"
    return response
