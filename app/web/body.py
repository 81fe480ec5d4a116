"""The bodies of requests: whole, UTF-8, JSON. Values keep the text they were sent as."""

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from flask import Request
from gunicorn.http.errors import ParseException

from app.domain import jsontext
from app.domain.errors import Fault, SlowBody, TooLarge, UnparsableBody, UnsupportedBody
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.web import clients

ERRORS = (UnparsableBody, UnsupportedBody, TooLarge, SlowBody)
"""What reading a body raises besides the faults of what it says."""
KEY_SHOWN = 100  # characters of a member's name that an answer repeats
_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN_KEY = re.compile(r'[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*')
"""A member's name without escapes, and all that stands before its value; the rest is for `_odd_key`."""
_AFTER = re.compile(r"[ \t\r\n]*([,}])[ \t\r\n]*")


class Member(NamedTuple):
    """A member of an object: its value as Python reads it, and its text as it was sent."""

    value: Any
    text: JsonText


class Array(NamedTuple):
    """An array of objects: its name in faults, how many there may be, which of their members may be unstorable."""

    name: str
    limit: int
    loose: Collection[str] = ()


def read(request: Request, *, limit: int, client_s: float) -> bytes:
    """Read the whole body, whatever its Content-Type says. Raises UnsupportedBody, TooLarge, SlowBody, UnparsableBody.

    `limit` is in bytes; `client_s` is for a body without any, see `clients`.
    """
    environ, length = request.environ, request.content_length
    if environ.get("CONTENT_TYPE", "").lstrip().lower().startswith("multipart/"):
        raise UnsupportedBody(Fault("body", "must be JSON, not multipart"))
    if environ.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
        raise UnsupportedBody(Fault("body", "must not be encoded, only chunked"))
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedBody(Fault("body", "must not be encoded"))
    if (length or 0) > limit:
        raise _too_large(limit)
    try:
        raw = clients.read(environ, length=length, limit=limit, client_s=client_s)
    except (ParseException, OSError) as error:
        raise UnparsableBody(Fault("body", "ended early, or its chunks cannot be read")) from error
    if len(raw) > limit:
        raise _too_large(limit)
    if len(raw) < (length or 0):
        raise UnparsableBody(Fault("body", f"ended after {len(raw)} of {length} bytes"))
    return raw


def _too_large(limit: int) -> TooLarge:
    """Make the error only where it is raised: one in a variable would keep the frame, and with it the body."""
    return TooLarge(Fault("body", f"must be at most {limit} bytes"))


def text(raw: bytes) -> str:
    """Decode a body. Raises UnparsableBody."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UnparsableBody(Fault("body", f"must be UTF-8; byte {error.start} is not")) from None


def read_objects(text: str, *, name: str, limit: int) -> list[dict[str, Member]]:
    """Read an array of objects, at most `limit`; `name` is what faults call it: `jobs[3].data is not JSON`.

    Raises UnparsableBody with the place, and TooLarge.
    """
    position = _skip(text, 0)
    if position == len(text):
        raise UnparsableBody(Fault("body", "is empty; it must be a JSON array"))
    objects, position = _objects(text, position, "body", Array(name, limit))
    _end(text, position)
    return objects


def read_object(text: str, *, loose: Collection[str] = (), array: Array | None = None) -> dict[str, Member]:
    """Read one object. Members named in `loose` may hold strings that could not be stored.

    The value of the member that `array` names is read as a list of objects. Raises UnparsableBody, TooLarge.
    """
    members, position = _object(text, _skip(text, 0), "body", loose, array)
    _end(text, position)
    return members


def read_value(text: str) -> Member:
    """Read one JSON value of any kind. Raises UnparsableBody."""
    start = _skip(text, 0)
    value, position = _scan(text, start, "body")
    _end(text, position)
    return Member(value, JsonText(text[start:position]))


def member_path(path: str, key: str) -> str:
    """Name a member of the object at `path`; a long name is cut, as whoever sent it knows it."""
    return f"{path}.{key}" if len(key) <= KEY_SHOWN else f"{path}.{key[:KEY_SHOWN]}…"


def _objects(text: str, position: int, path: str, array: Array) -> tuple[list[dict[str, Member]], int]:
    if text[position : position + 1] != "[":
        raise UnparsableBody(Fault(path, "must be a JSON array"))
    objects: list[dict[str, Member]] = []
    position = _skip(text, position + 1)
    if text[position : position + 1] == "]":
        return objects, position + 1
    while True:
        if len(objects) == array.limit:
            raise TooLarge(Fault(path, f"must hold at most {array.limit} {array.name}"))
        found, position = _object(text, position, f"{array.name}[{len(objects)}]", array.loose)
        objects.append(found)
        position = _skip(text, position)
        if text[position : position + 1] == "]":
            return objects, position + 1
        position = _skip(text, _expect(text, position, ",", path))


def _object(
    text: str, position: int, path: str, loose: Collection[str] = (), array: Array | None = None
) -> tuple[dict[str, Member], int]:
    if text[position : position + 1] != "{":
        raise UnparsableBody(Fault(path, "must be an object"))
    members: dict[str, Member] = {}
    position = _skip(text, position + 1)
    if text[position : position + 1] == "}":
        return members, position + 1
    while True:
        plain = _PLAIN_KEY.match(text, position)
        key, start = (plain[1], plain.end()) if plain else _odd_key(text, position, path)
        if key in members:
            raise UnparsableBody(Fault(member_path(path, key), "is there twice"))
        value: object
        try:
            if array is not None and key == array.name:
                value, end = _objects(text, start, key, array)
            else:
                value, end = jsontext.scan(text, start, is_kept=key not in loose)
        except UnstorableJson as error:
            raise UnparsableBody(Fault(member_path(path, key), str(error))) from None
        members[key] = Member(value, JsonText(text[start:end]))
        after = _AFTER.match(text, end)
        if after is None:
            raise UnparsableBody(Fault(path, f"is not JSON: expected ',' at character {_skip(text, end)}"))
        if after[1] == "}":
            return members, after.end(1)
        position = after.end()


def _odd_key(text: str, position: int, path: str) -> tuple[str, int]:
    """Read a name with escapes in it, or tell what is wrong."""
    _expect(text, position, '"', path)
    key, position = _scan(text, position, path)
    return str(key), _skip(text, _expect(text, _skip(text, position), ":", path))


def refuse_twins(member: Member, path: str) -> None:
    """Refuse an object of the service's own in which a key stands twice, at any depth. Raises UnparsableBody."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, value in found:
            if key in members:
                raise UnparsableBody(Fault(member_path(path, key), "is there twice"))
            members[key] = value
        return members

    json.loads(member.text, object_pairs_hook=pairs, parse_int=str)  # an int may be too long for the interpreter


def _scan(text: str, position: int, path: str, *, is_kept: bool = True) -> tuple[Any, int]:
    try:
        return jsontext.scan(text, position, is_kept=is_kept)
    except UnstorableJson as error:
        raise UnparsableBody(Fault(path, str(error))) from None


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    assert space is not None
    return space.end()


def _expect(text: str, position: int, character: str, path: str) -> int:
    if text[position : position + 1] != character:
        raise UnparsableBody(Fault(path, f"is not JSON: expected {character!r} at character {position}"))
    return position + 1


def _end(text: str, position: int) -> None:
    position = _skip(text, position)
    if position != len(text):
        raise UnparsableBody(Fault("body", f"is not JSON: extra data at character {position}"))
