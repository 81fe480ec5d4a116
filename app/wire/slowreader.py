"""Parses a body piece by piece: a long one, or an invalid one, whose fault it locates."""

import functools
import json
import re

from app.domain import jsontext
from app.domain.errors import Fault, InvalidRequest, UnparsableBody
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way
from app.wire import jsonreader
from app.wire.demands import (
    AT_ONCE,
    BODY,
    LONGEST,
    NO_ARRAY,
    UNKNOWN,
    Array,
    Form,
    are_plain,
    checked,
    member_path,
    place,
    require_storable,
    too_long,
    too_many,
    too_many_members,
)
from app.wire.jsonreader import FAULTS_MAX, MEMBERS_MAX, Members, NoObject, NotJson, TooMany

_SPACE = re.compile(rb"[ \t\r\n]*+")
_TRIES_MAX = 8
"""How often in vain it is tried to parse several objects of a body at once; a wrong guess costs a pass over a piece."""


class Reader:
    """One body, of valid UTF-8. Positions are in its bytes."""

    def __init__(self, raw: bytes) -> None:
        """Take the body; the methods parse it."""
        self._raw, self._view = raw, memoryview(raw)
        self.found: list[Members] = []
        """The objects of the array member that `object` was asked for."""
        self._unknown: list[Fault] = []

    def array(self, position: int, path: str, array: Array) -> tuple[list[Members], int]:
        """Parse the array of objects at `position`; return its objects and where it ends."""
        if not self._is_at(b"[", position):
            raise UnparsableBody(Fault(path, "must be a JSON array"))
        position = self.skip(position + 1)
        return ([], position + 1) if self._is_at(b"]", position) else self._elements(position, path, array)

    def _elements(self, position: int, path: str, array: Array) -> tuple[list[Members], int]:
        """Parse the objects of an array from its first one, at `position`, on."""
        objects: list[Members] = []
        tries = _TRIES_MAX
        while True:
            if tries > 0:
                some, length, wrong = self._several(position, len(objects), path, array)
                tries -= wrong
                if some:
                    objects += some
                    position += length
                    continue
            if len(objects) == array.limit:
                raise too_many(path, array)
            found, end = self._element(position, f"{array.name}[{len(objects)}]", array)
            self._require_known([found], len(objects), array)
            objects.append(found)
            give_way()
            if end - position <= jsontext.PIECE:  # else no other one can begin in the piece
                tries -= 1
            position = self.skip(end)
            if self._is_at(b"]", position):
                return objects, position + 1
            position = self.skip(self._expect(position, b",", path))

    def _several(self, position: int, nth: int, path: str, array: Array) -> tuple[list[Members], int, int]:
        """Parse as many objects as fit into a piece, from `nth` on; return what `jsonreader.several` does."""
        piece, most = self._raw[position : position + jsontext.PIECE], array.limit - nth
        try:
            some, length, wrong = jsonreader.several(piece, array.form.names, most=most)
        except NoObject as error:
            raise UnparsableBody(Fault(f"{array.name}[{nth + error.at}]", "must be an object")) from None
        except TooMany:
            raise too_many(path, array) from None
        for at, members in enumerate(some, nth):
            if not are_plain(members):
                checked(members, f"{array.name}[{at}]", array.form)
        self._require_known(some, nth, array)
        return some, length, wrong

    def _require_known(self, objects: list[Members], nth: int, array: Array) -> None:
        """Stop at FAULTS_MAX members with unknown names: each costs memory, and names that are not ASCII also time."""
        if all(map(array.form.names.issuperset, objects)):
            return
        for at, members in enumerate(objects, nth):
            path = f"{array.name}[{at}]"
            self._unknown += [
                Fault(member_path(path, name), UNKNOWN) for name in members if name not in array.form.names
            ]
            if len(self._unknown) >= FAULTS_MAX:
                raise InvalidRequest(*self._unknown[:FAULTS_MAX])

    def object(self, position: int, path: str, form: Form, array: Array = NO_ARRAY) -> tuple[Members, int]:
        """Parse the object at `position`; return its members and where it ends."""
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
                members[key], position = self._value(position, key, path, form)
            position = self.skip(position)
            if self._is_at(b"}", position):
                return members, position + 1
            position = self.skip(self._expect(position, b",", path))

    def skip(self, position: int) -> int:
        """Return where the white space at `position` ends."""
        space = _SPACE.match(self._raw, position)
        assert space is not None
        return space.end()

    def end(self, position: int) -> None:
        """Check that only white space follows."""
        position = self.skip(position)
        if position != len(self._raw):
            raise UnparsableBody(Fault(BODY, place(self._raw, position, NotJson("extra data", at=0))))

    def _element(self, position: int, path: str, array: Array) -> tuple[Members, int]:
        """Parse an object by one call, if it is not too long; otherwise, or if it is invalid, by its members."""
        end = jsonreader.end_or_none(self._view[: position + AT_ONCE], position)
        found = None if end is None else jsonreader.members(self._raw[position:end], array.form.names)
        if end is None or found is None:
            return self.object(position, path, array.form)
        return checked(found, path, array.form), end

    def _key(self, position: int, path: str) -> tuple[str, int]:
        self._expect(position, b'"', path)
        text, end = self._scanned(position, path, LONGEST)
        return json.loads(text), self.skip(self._expect(self.skip(end), b":", path))

    def _value(self, start: int, key: str, path: str, form: Form) -> tuple[JsonText, int]:
        give_way()
        limit, where = form.limits.get(key, LONGEST), member_path(path, key)
        if key in form.loose and (loose := self._loose(start)):
            return loose
        text, end = self._scanned(start, where, limit)
        if len(text) > limit or len(raw := text.encode()) > limit:
            raise too_long(where, limit)
        if key not in form.names:
            return jsonreader.NULL, end
        require_storable(raw, where)
        return text, end

    def _loose(self, start: int) -> tuple[JsonText, int] | None:
        """Parse a value that may contain lone surrogates."""
        end = jsonreader.end_or_none(self._whole_characters, start)
        give_way()
        return None if end is None else (self._text(start, end), end)

    @functools.cached_property
    def _whole_characters(self) -> memoryview:
        """The body without surrogates, at the same places."""
        has_some = b"\\ud" in self._raw or b"\\uD" in self._raw
        return memoryview(jsontext.whole_characters(self._raw, give_way)) if has_some else self._view

    def _scanned(self, start: int, path: str, limit: int) -> tuple[JsonText, int]:
        """Parse the value at `start`, if it has at most `limit` bytes."""
        until = min(len(self._raw), start + limit + 1)
        try:
            end = jsonreader.end_of(self._view[:until], start)
        except UnstorableJson as error:
            if until < len(self._raw) and isinstance(error, NotJson) and error.is_cut:
                raise too_long(path, limit) from None
            raise UnparsableBody(Fault(path, place(self._raw, start, error))) from None
        return self._text(start, end), end

    def _text(self, start: int, end: int) -> JsonText:
        text = JsonText(self._raw[start:end].rstrip(b" \t\r\n").decode())
        give_way()
        return text

    def _is_at(self, character: bytes, position: int) -> bool:
        return self._raw[position : position + 1] == character

    def _expect(self, position: int, character: bytes, path: str) -> int:
        if not self._is_at(character, position):
            what = f"expected {character.decode()!r}"
            raise UnparsableBody(Fault(path, place(self._raw, position, NotJson(what, at=0))))
        return position + 1
