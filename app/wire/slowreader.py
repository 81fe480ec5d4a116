"""Reads a body piece by piece: one that is long, or in which something is wrong, which it finds and names."""

import json
import re

from app.domain.errors import Fault, UnparsableBody
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way
from app.wire import jsonreader
from app.wire.demands import (
    AT_ONCE,
    NO_ARRAY,
    Array,
    checked,
    member_path,
    place,
    require_storable,
    too_long,
    too_many,
    too_many_members,
)
from app.wire.jsonreader import MEMBERS_MAX, Members, NotJson

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_SPACES = rb"[ \t\r\n]*+"
_STRINGS = rb"%b%b(?:,%b%b%b)*+" % (_STRING.pattern, _SPACES, _SPACES, _STRING.pattern, _SPACES)
LOOSE = re.compile(rb"%b|\[%b(?:%b)?+\]" % (_STRING.pattern, _SPACES, _STRINGS))
"""A string or an array of strings, in which half a character may stand."""


class Reader:
    """One body, of valid UTF-8. Positions are in its bytes."""

    def __init__(self, raw: bytes) -> None:
        """Read nothing yet."""
        self._raw, self._view = raw, memoryview(raw)
        self.found: list[Members] = []
        """The objects of the array that an object was to have."""

    def array(self, position: int, path: str, array: Array) -> tuple[list[Members], int]:
        """Read the array of objects that begins here; return where it ends too."""
        if not self._is_at(b"[", position):
            raise UnparsableBody(Fault(path, "must be a JSON array"))
        position = self.skip(position + 1)
        return ([], position + 1) if self._is_at(b"]", position) else self.elements(position, path, array)

    def elements(self, position: int, path: str, array: Array, *, good: int = 0) -> tuple[list[Members], int]:
        """Read objects of an array from the one on that begins here, behind `good` others, which are not given."""
        objects: list[Members] = []
        while True:
            if good + len(objects) == array.limit:
                raise too_many(path, array)
            found, position = self._element(position, f"{array.name}[{good + len(objects)}]", array)
            objects.append(found)
            give_way()
            position = self.skip(position)
            if self._is_at(b"]", position):
                return objects, position + 1
            position = self.skip(self._expect(position, b",", path))

    def object(self, position: int, path: str, mine: Array, array: Array = NO_ARRAY) -> tuple[Members, int]:
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
                raise too_many_members(path, MEMBERS_MAX)
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
            raise UnparsableBody(Fault("body", place(self._raw, position, NotJson("extra data", at=0))))

    def _element(self, position: int, path: str, array: Array) -> tuple[Members, int]:
        """Read an object by one call, if it is not too long; else, and if there is anything wrong, by its members."""
        try:
            end = jsonreader.end_of(self._view[: position + AT_ONCE], position)
        except UnstorableJson:
            return self.object(position, path, array)
        found = jsonreader.members(self._raw[position:end])
        return self.object(position, path, array) if found is None else (checked(found, path, array), end)

    def _key(self, position: int, path: str) -> tuple[str, int]:
        self._expect(position, b'"', path)
        text, end = self._scanned(position, path, AT_ONCE)
        return json.loads(text), self.skip(self._expect(self.skip(end), b":", path))

    def _value(self, start: int, key: str, path: str, mine: Array) -> tuple[JsonText, int]:
        if key in mine.loose and (loose := LOOSE.match(self._raw, start)):
            return JsonText(loose[0].decode()), loose.end()
        most, where = mine.most.get(key, AT_ONCE), member_path(path, key)
        text, end = self._scanned(start, where, most)
        if len(text) > most or len(raw := text.encode()) > most:
            raise too_long(member_path(path if mine.name else "", key), most)
        give_way()
        if key not in mine.loose:
            require_storable(raw, where)
        return text, end

    def _scanned(self, start: int, path: str, most: int) -> tuple[JsonText, int]:
        """Read the value that begins here, if it has at most so many bytes."""
        until = min(len(self._raw), start + most + 1)
        try:
            end = jsonreader.end_of(self._view[:until], start)
        except UnstorableJson as error:
            if until < len(self._raw) and isinstance(error, NotJson) and error.is_cut:
                raise too_long(path, most) from None
            raise UnparsableBody(Fault(path, place(self._raw, start, error))) from None
        return JsonText(self._raw[start:end].decode().rstrip(" \t\r\n")), end

    def _is_at(self, character: bytes, position: int) -> bool:
        return self._raw[position : position + 1] == character

    def _expect(self, position: int, character: bytes, path: str) -> int:
        if not self._is_at(character, position):
            what = f"expected {character.decode()!r}"
            raise UnparsableBody(Fault(path, place(self._raw, position, NotJson(what, at=0))))
        return position + 1
