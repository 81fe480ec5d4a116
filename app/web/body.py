"""The bodies of requests: whole, UTF-8, JSON. Values keep the text they were sent as."""

import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from flask import Request
from gunicorn.http.errors import ParseException

from app.domain import jsontext
from app.domain.errors import Fault, SlowBody, TooLarge, UnparsableBody, UnsupportedBody
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way
from app.web import clients
from app.wire import jsonreader
from app.wire.jsonreader import MEMBERS_MAX, Members, NotJson

ERRORS = (UnparsableBody, UnsupportedBody, TooLarge, SlowBody)
"""What reading a body raises besides the faults of what it says."""
KEY_SHOWN = 100  # characters of a member's name that an answer repeats
OWN_MAX = 128 * 1024
"""Characters of a value that means something to us, unless it is a string, which is cut or refused by its own limit."""
OWN_DEPTH_MAX = 4
OWN_MEMBERS_MAX = 1_000
AT_ONCE = 2**20
"""Bytes of a body that are read by one call, which takes 4 ms at most; a longer one is read element by element."""
_NO_LIMITS: Mapping[str, int] = MappingProxyType({})
_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"', re.DOTALL)
_LOOSE = re.compile(
    _STRING.pattern + rb"|\[[ \t\r\n]*+(?:" + _STRING.pattern + rb'[ \t\r\n]*+(?:,[ \t\r\n]*+(?="))?+)*+\]', re.DOTALL
)
"""A string or an array of strings, in which half a character may stand."""


class Array(NamedTuple):
    """An array of objects, and what is asked of them.

    `name` is what faults call it, `limit` how many objects it may have, `loose` which of their members may be strings
    that could not be stored, `most` how many bytes a member may have, by name.
    """

    name: str
    limit: int
    loose: Collection[str] = ()
    most: Mapping[str, int] = _NO_LIMITS


_NO_ARRAY = Array("", 0)


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


def read_objects(raw: bytes, array: Array) -> list[Members]:
    """Read an array of objects: the text of each member's value. Sizes are judged first, then what is in the values.

    Raises UnparsableBody with the place (`jobs[3].data is not JSON`), and TooLarge. Lets others run meanwhile.
    """
    _require_utf8(raw)
    if len(raw) <= AT_ONCE and (found := _at_once(raw, "body", array)) is not None:
        return found
    reader = _Reader(raw)
    start = reader.skip(0)
    if start == len(raw):
        raise UnparsableBody(Fault("body", "is empty; it must be a JSON array"))
    objects, end = reader.array(start, "body", array)
    reader.end(end)
    return objects


def read_object(
    raw: bytes, *, loose: Collection[str] = (), most: Mapping[str, int] = _NO_LIMITS, array: Array = _NO_ARRAY
) -> tuple[Members, list[Members]]:
    """Read one object: the text of each member's value; and the objects of its member `array`, whose text is empty.

    `loose` and `most` are as in Array. Raises UnparsableBody, TooLarge. Lets others run meanwhile.
    """
    _require_utf8(raw)
    mine = Array("", 1, loose, most)
    if len(raw) <= AT_ONCE and (found := jsonreader.members(raw)) is not None:
        if array.name not in found:
            return _checked(found, "body", mine), []
        if (objects := _at_once(found[array.name].encode(), array.name, array)) is not None:
            return _checked(found | {array.name: JsonText("")}, "body", mine), objects
    reader = _Reader(raw)
    found, end = reader.object(reader.skip(0), "body", mine, array)
    reader.end(end)
    return found, reader.found


def read_value(raw: bytes) -> JsonText:
    """Read one JSON value of any kind. Raises UnparsableBody."""
    _require_utf8(raw)
    try:
        return JsonText(jsonreader.whole(raw, rest=give_way).strip(" \t\r\n"))
    except UnstorableJson as error:
        raise UnparsableBody(Fault("body", _place(raw, 0, error))) from None


def own(text: str, path: str) -> Any:
    """Return a value that means something to us. Raises UnparsableBody if a name stands twice, TooLarge."""
    if len(text) > OWN_MAX:
        if text.startswith('"'):  # longer than any of ours may be: nobody needs to know which characters it has
            return text[1:-1]
        raise TooLarge(Fault(path, f"must be at most {OWN_MAX} characters"))
    if len(text) >= jsontext.LONG and text[0] in "[{" and jsontext.depth(text.encode()) > OWN_DEPTH_MAX:
        raise UnparsableBody(Fault(path, f"must not be nested deeper than {OWN_DEPTH_MAX}"))

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found) > OWN_MEMBERS_MAX:
            raise _too_many_members(path, OWN_MEMBERS_MAX)
        members: dict[str, Any] = {}
        for key, value in found:
            if key in members:
                raise UnparsableBody(Fault(member_path(path, key), "is there twice"))
            members[key] = value
        return members

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except ValueError:  # an integer of more digits than the interpreter may read
        return json.loads(text, object_pairs_hook=pairs, parse_int=_integer)


def _integer(digits: str) -> int:
    return int(Decimal(digits))


def owns(members: Members, *, path: str = "", besides: Collection[str] = ()) -> dict[str, Any]:
    """Return the values of an object of ours, None for those `besides`. Raises as `own` does."""
    return {key: None if key in besides else own(text, member_path(path, key)) for key, text in members.items()}


def string(text: JsonText) -> str:
    """Return the string that a value is. Raises ValueError for any other."""
    if "\\" not in text and text[0] == '"':
        return text[1:-1]
    value = json.loads(text) if text[0] == '"' else None
    if value is None:
        raise ValueError("is no string")
    return str(value)


def loose_lines(text: JsonText) -> list[str] | None:
    """Return the strings of an array, half characters in them too; None if there is anything else."""
    raw = text.encode()
    found = jsonreader.strings(raw)
    if found is None and _LOOSE.fullmatch(raw):
        found = json.loads(text)
    return found


def member_path(path: str, key: str) -> str:
    """Name a member of the object at `path`; a long name is cut, as whoever sent it knows it."""
    shown = key if len(key) <= KEY_SHOWN else f"{key[:KEY_SHOWN]}…"
    return f"{path}.{shown}" if path else shown


def _require_utf8(raw: bytes) -> None:
    try:
        raw.isascii() or raw.decode()
    except UnicodeDecodeError as error:
        raise UnparsableBody(Fault("body", f"must be UTF-8; byte {error.start} is not")) from None


def _at_once(raw: bytes, path: str, array: Array) -> list[Members] | None:
    """Read an array of objects by few calls; None if it is no JSON."""
    try:
        found = jsonreader.objects(raw)
    except jsonreader.NoObject as error:
        raise UnparsableBody(Fault(f"{array.name}[{error.at}]", "must be an object")) from None
    if found is None:
        elements = jsonreader.elements(raw)
        if elements is None or len(elements) > array.limit:
            return None
        return [_one(element, f"{array.name}[{nth}]", array) for nth, element in enumerate(elements)]
    if len(found) > array.limit:
        raise _too_many(path, array)
    for nth, members in enumerate(found):
        for text in members.values():
            if len(text) >= jsontext.LONG or "\\u" in text:
                _checked(members, f"{array.name}[{nth}]", array)
                break
    return found


def _one(raw: bytes, path: str, array: Array) -> Members:
    give_way()
    found = jsonreader.members(raw)
    return _Reader(raw).object(0, path, array)[0] if found is None else _checked(found, path, array)


def _checked(members: Members, path: str, array: Array) -> Members:
    """Require of each value that it is not too long, then that it can be stored. Raises TooLarge, UnparsableBody."""
    for key, text in members.items():
        raw = text.encode()
        if len(raw) > array.most.get(key, AT_ONCE):
            raise _too_long(member_path(path if array.name else "", key), array.most.get(key, AT_ONCE))
    for key, text in members.items():
        if key not in array.loose:
            _require_storable(text.encode(), member_path(path, key))
    return members


def _require_storable(raw: bytes, path: str) -> None:
    try:
        jsontext.check(raw, rest=give_way)
    except UnstorableJson as error:
        raise UnparsableBody(Fault(path, str(error))) from None


def _too_many(path: str, array: Array) -> TooLarge:
    return TooLarge(Fault(path, f"must hold at most {array.limit} {array.name}"))


def _too_long(path: str, most: int) -> TooLarge:
    return TooLarge(Fault(path, f"must be at most {most} bytes"))


def _too_many_members(path: str, most: int) -> UnparsableBody:
    return UnparsableBody(Fault(path, f"has more than {most} members"))


def _place(raw: bytes, start: int, error: UnstorableJson) -> str:
    """Say what is wrong with the value that begins at `start`, and at which character of the whole."""
    if not isinstance(error, NotJson):
        return str(error)
    return f"is not JSON: {error.what} at character {len(raw[: start + error.at].decode(errors='ignore'))}"


class _Reader:
    """Reads a body piece by piece: one that is long, or in which something is wrong, which it finds and names."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._view = raw, memoryview(raw)
        self.found: list[Members] = []
        """The objects of the array that an object was to have."""

    def array(self, position: int, path: str, array: Array) -> tuple[list[Members], int]:
        """Read the array of objects that begins here; return where it ends too."""
        if not self._is_at(b"[", position):
            raise UnparsableBody(Fault(path, "must be a JSON array"))
        objects: list[Members] = []
        position = self.skip(position + 1)
        if self._is_at(b"]", position):
            return objects, position + 1
        good = 0
        if len(self._raw) <= AT_ONCE and path == "body":  # it is here because it is broken, and is not kept
            start, good = jsonreader.where_broken(self._raw)
            position = start or position
        while True:
            if good + len(objects) == array.limit:
                raise _too_many(path, array)
            found, position = self._element(position, f"{array.name}[{good + len(objects)}]", array)
            objects.append(found)
            give_way()
            position = self.skip(position)
            if self._is_at(b"]", position):
                return objects, position + 1
            position = self.skip(self._expect(position, b",", path))

    def object(self, position: int, path: str, mine: Array, array: Array = _NO_ARRAY) -> tuple[Members, int]:
        """Read the object that begins here; return where it ends too."""
        if not self._is_at(b"{", position):
            raise UnparsableBody(Fault(path, "must be an object"))
        members: Members = {}
        position = self.skip(position + 1)
        if self._is_at(b"}", position):
            return members, position + 1
        while True:
            key, position = self._key(position, path)
            if key in members:
                raise UnparsableBody(Fault(member_path(path, key), "is there twice"))
            if len(members) == MEMBERS_MAX:
                raise _too_many_members(path, MEMBERS_MAX)
            if array.name and key == array.name:
                members[key] = JsonText("")
                self.found, position = self.array(position, key, array)
            else:
                members[key], position = self._value(position, key, path, mine)
            position = self.skip(position)
            if self._is_at(b"}", position):
                return members, position + 1
            position = self.skip(self._expect(position, b",", path))

    def skip(self, position: int) -> int:
        """Return where the white space that begins here ends."""
        space = _SPACE.match(self._raw, position)
        assert space is not None
        return space.end()

    def end(self, position: int) -> None:
        """Require that nothing but white space follows."""
        position = self.skip(position)
        if position != len(self._raw):
            raise UnparsableBody(Fault("body", _place(self._raw, position, NotJson("extra data", at=0))))

    def _element(self, position: int, path: str, array: Array) -> tuple[Members, int]:
        """Read an object by one call, if it is not too long; else, and if there is anything wrong, by its members."""
        try:
            end = jsonreader.end_of(self._view[: position + AT_ONCE], position)
        except UnstorableJson:
            return self.object(position, path, array)
        found = jsonreader.members(self._raw[position:end])
        return self.object(position, path, array) if found is None else (_checked(found, path, array), end)

    def _key(self, position: int, path: str) -> tuple[str, int]:
        self._expect(position, b'"', path)
        text, end = self._scanned(position, path, AT_ONCE)
        return json.loads(text), self.skip(self._expect(self.skip(end), b":", path))

    def _value(self, start: int, key: str, path: str, mine: Array) -> tuple[JsonText, int]:
        if key in mine.loose and (loose := _LOOSE.match(self._raw, start)):
            return JsonText(loose[0].decode()), loose.end()
        most, place = mine.most.get(key, AT_ONCE), member_path(path, key)
        text, end = self._scanned(start, place, most)
        if len(text) > most or len(raw := text.encode()) > most:
            raise _too_long(member_path(path if mine.name else "", key), most)
        give_way()
        if key not in mine.loose:
            _require_storable(raw, place)
        return text, end

    def _scanned(self, start: int, path: str, most: int) -> tuple[JsonText, int]:
        """Read the value that begins here, if it has at most so many bytes."""
        until = min(len(self._raw), start + most + 1)
        try:
            end = jsonreader.end_of(self._view[:until], start)
        except UnstorableJson as error:
            if until < len(self._raw) and isinstance(error, NotJson) and error.is_cut:
                raise _too_long(path, most) from None
            raise UnparsableBody(Fault(path, _place(self._raw, start, error))) from None
        return JsonText(self._raw[start:end].decode().rstrip(" \t\r\n")), end

    def _is_at(self, character: bytes, position: int) -> bool:
        return self._raw[position : position + 1] == character

    def _expect(self, position: int, character: bytes, path: str) -> int:
        if not self._is_at(character, position):
            what = f"expected {character.decode()!r}"
            raise UnparsableBody(Fault(path, _place(self._raw, position, NotJson(what, at=0))))
        return position + 1
