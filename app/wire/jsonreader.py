"""Splits and validates JSON as text, by msgspec: no Python objects are built for the values."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from app.domain import jsontext
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way

Members = dict[str, JsonText]
"""The members of an object: the text of each value, by name."""
_text: Callable[[Any, str], JsonText] = str  # type: ignore[assignment]  # the type at no cost
MEMBERS_MAX = 100
"""The most members of an object; Rowline's own have less than half as many."""
FAULTS_MAX = 100
"""The number of faults after which reading stops."""
NULL = JsonText("null")
_LOOKS, _TRIES = 100, 3
"""How many beginnings of objects are looked at in a piece to guess which one is the last, and how many guesses are
tried: objects may contain others that look like them."""
_VALUE = msgspec.json.Decoder(msgspec.Raw)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_PLACE = re.compile(r"(.*) \(byte ([0-9]+)\)")
_MALFORMED = "JSON is malformed: "
_BEHIND = f"{_MALFORMED}trailing characters"
_ELEMENT = re.compile(r" - at `\$\[([0-9]+)\]`$")
_FIRST_NAME = re.compile(rb'\{[ \t\r\n]*(?:"[^"\\]{0,100}"|\})')
_NO_NUMBER = re.compile(rb"-?(?:NaN|Infinity)")
_AROUND, _SURROGATES = 64, 16
"""How many bytes before a fault are looked at for a lone surrogate, and behind how many of these it would begin."""
_TOO_DEEP = f"must not be nested deeper than {jsontext.DEPTH_MAX}"


class NotJson(UnstorableJson):
    """The text is not JSON: the fault `what`, `at` so many bytes from its beginning."""

    def __init__(self, what: str, *, at: int, is_cut: bool = False) -> None:
        """`is_cut`: the text ends too early."""
        super().__init__(f"is not JSON: {what} at byte {at}")
        self.what, self.at, self.is_cut = what, at, is_cut


class TooMany(ValueError):
    """The array has more elements than it may have."""


class NoObject(ValueError):
    """The element of an array `at` this index is not an object."""

    def __init__(self, at: int) -> None:
        super().__init__(f"element {at} is no object")
        self.at = at


def objects(text: bytes, names: frozenset[str], *, most: int) -> list[Members] | None:
    """Split an array of objects in UTF-8; None if it is none, or one of them has a name twice or too many members.

    Values are valid JSON; `jsontext.check` says whether they can be stored. Members whose names are not among `names`
    are `null`, and behind the FAULTS_MAX'th object with such ones none is returned; of two members with the same name
    the last is. Raises NoObject, and TooMany if there are over `most`.
    """
    try:
        return _objects(text, names, most)
    except (msgspec.DecodeError, RecursionError):
        return None


def _objects(text: bytes, names: frozenset[str], most: int) -> list[Members] | None:
    """Split an array of objects as `objects`. Raises NoObject, TooMany, DecodeError, RecursionError."""
    try:
        found = _OBJECTS.decode(text)
        if len(found) > most:
            raise TooMany
        return _read(found, text, names)
    except msgspec.ValidationError as error:
        if place := _ELEMENT.search(str(error)):
            raise NoObject(int(place[1])) from None
        return None


def several(text: bytes, names: frozenset[str], *, most: int) -> tuple[list[Members], int, int]:
    """Split the objects at the beginning of `text`, a piece of an array; return them and where the next one begins.

    All that stand before the last one, or before a fault. None of them if nothing looks like the beginning of another
    one, after a few wrong guesses, whose number is returned too, or where `objects` returns None. Raises NoObject,
    TooMany.
    """
    until = len(text)
    for wrong in range(_TRIES):
        give_way()
        until = _last_start(text, until)
        if not until:
            return [], 0, wrong
        before = text[:until].rstrip(b" \t\r\n")
        if not before.endswith(b","):
            continue
        try:
            found = _objects(b"[%b]" % before[:-1], names, most)
        except (msgspec.DecodeError, RecursionError) as error:
            place = _PLACE.fullmatch(str(error))
            until = min(until, int(place[2]) - 1) if place else until
            continue
        return (found, until, wrong) if found else ([], 0, _TRIES)
    return [], 0, _TRIES


def _last_start(text: bytes, until: int) -> int:
    """Guess where the last object before `until` begins that is no part of another one; 0 if that is unclear.

    It has the same first name as the first object, and as many braces are closed before it as are opened.
    """
    first = _FIRST_NAME.match(text)
    if first is None:
        return 0
    opened = text.count(b"{", 0, until) - text.count(b"}", 0, until)
    for _ in range(_LOOKS):
        start = max(0, text.rfind(first[0], 0, until))
        opened -= text.count(b"{", start, until) - text.count(b"}", start, until)
        if not opened:
            return start
        until = start
    return 0


def members(text: bytes, names: frozenset[str]) -> Members | None:
    """Split one object; otherwise as `objects`."""
    one = _decoded(_OBJECT, text)
    read = None if one is None else _read([one], text, names)
    return read[0] if read else None


def end_of(view: memoryview, start: int) -> int:
    """Return where the value that begins at `start` ends, perhaps after white space. Raises NotJson."""
    end, error = _ending(view, start)
    if error:
        raise _fault(view[start:], error) from None
    return end


def end_or_none(view: memoryview, start: int) -> int | None:
    """Return the same; None if there is no valid value: finding the fault would take another pass."""
    end, error = _ending(view, start)
    return None if error else end


def whole(text: bytes, *, give_way: Callable[[], None] = lambda: None) -> JsonText:
    """Check that `text`, in UTF-8, is exactly one JSON value that can be stored. `give_way` is as in `jsontext.check`.

    Raises UnstorableJson.
    """
    try:
        _VALUE.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _fault(memoryview(text), error) from None
    if len(text) > jsontext.PIECE:
        give_way()
    jsontext.check(text, give_way=give_way)
    return JsonText(text.decode())


def _ending(view: memoryview, start: int) -> tuple[int, Exception | None]:
    try:
        _VALUE.decode(view[start:])
    except (msgspec.DecodeError, RecursionError) as error:
        place = _PLACE.fullmatch(str(error))
        if place and place[1] == _BEHIND:
            return start + int(place[2]) - 1, None
        return start, error
    return len(view), None


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _read(found: list[dict[str, msgspec.Raw]], text: bytes, names: frozenset[str]) -> list[Members] | None:
    """Return the texts; None if `text` has more members than were found: of two with the same name one was kept."""
    if odd := [nth for nth, one in enumerate(found, start=1) if not names.issuperset(one)]:
        looked_at = found[: odd[FAULTS_MAX - 1]] if len(odd) >= FAULTS_MAX else found
        return None if any(len(one) > MEMBERS_MAX for one in found) else [_known_texts(one, names) for one in looked_at]
    texts = [{name: _text(value, "utf-8") for name, value in one.items()} for one in found]
    return texts if sum(map(_colons, texts)) == text.count(b":") else None


def _known_texts(found: dict[str, msgspec.Raw], names: frozenset[str]) -> Members:
    return dict.fromkeys(found, NULL) | {name: _text(found[name], "utf-8") for name in names.intersection(found)}


def _colons(texts: Members) -> int:
    """Count the colons of an object: one per member, plus those in the values; known names have none."""
    return len(texts) + sum([value.count(":") for value in texts.values()])


def _fault(view: memoryview, error: Exception) -> UnstorableJson:
    """Return the error with Rowline's message, at the cost of one more pass."""
    if isinstance(error, RecursionError):
        return UnstorableJson(_TOO_DEEP)
    text, said = bytes(view), str(error)
    place = _PLACE.fullmatch(said)
    at = int(place[2]) if place else len(text)
    if word := _NO_NUMBER.match(text, max(0, at - 1)) or _NO_NUMBER.match(text, at):
        return UnstorableJson(f"must not contain {word[0].decode()}")
    begin = len(text[: max(0, at - _AROUND)].rstrip(b"\\"))  # no escape is cut
    if "character" not in said and jsontext.has_lone_surrogate(text[begin : at + 1], at - begin - _SURROGATES):
        return UnstorableJson("must not contain a lone surrogate")
    if place is None:
        return NotJson("ends too early", at=at, is_cut=True)
    if place[1] == _BEHIND:
        return NotJson("extra data", at=at - 1)
    return NotJson(place[1].removeprefix(_MALFORMED), at=at)
