"""The objects that clients send, read into the texts of their members: at once where they are as they should be."""

import functools
import json
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

from app.domain import jsontext
from app.domain.errors import Fault, TooLarge, UnparsableBody
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.infra import cooperation
from app.infra.cooperation import give_way
from app.wire import jsonreader
from app.wire.demands import (
    AT_ONCE,
    NO_ARRAY,
    NO_LIMITS,
    Array,
    are_plain,
    checked,
    member_path,
    place,
    too_many,
    too_many_members,
)
from app.wire.jsonreader import Members
from app.wire.slowreader import LOOSE, Reader

OWN_MAX = 128 * 1024
"""Characters of a value that means something to us, unless it is a string, which is cut or refused by its own limit."""
OWN_DEPTH_MAX = 4
OWN_MEMBERS_MAX = 1_000
IN_TURN = 256 * 1024
"""Bytes of a body above which it is long."""
P = ParamSpec("P")
R = TypeVar("R")


def _in_turn(read: Callable[Concatenate[bytes, P], R]) -> Callable[Concatenate[bytes, P], R]:
    """Read long bodies one after the other: each gives way to others now and then, but not to its like."""

    @functools.wraps(read)
    def reader(raw: bytes, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if len(raw) <= IN_TURN:
            return read(raw, *args, **kwargs)
        with cooperation.alone:
            return read(raw, *args, **kwargs)

    return reader


@_in_turn
def read_objects(raw: bytes, array: Array) -> list[Members]:
    """Read an array of objects: the text of each member's value. Sizes are judged first, then what is in the values.

    Raises UnparsableBody with the place (`jobs[3].data is not JSON`), and TooLarge. Lets others run meanwhile.
    """
    _require_utf8(raw)
    if len(raw) <= AT_ONCE and (found := _at_once(raw, "body", array)) is not None:
        return found
    reader = Reader(raw)
    start = reader.skip(0)
    if start == len(raw):
        raise UnparsableBody(Fault("body", "is empty; it must be a JSON array"))
    broken_at, good = jsonreader.where_broken(raw) if len(raw) <= AT_ONCE else (0, 0)
    if broken_at:  # it is told sooner than by reading all that is good before
        reader.end(reader.elements(broken_at, "body", array, good=good)[1])
    objects, end = reader.array(start, "body", array)
    reader.end(end)
    return objects


@_in_turn
def read_object(
    raw: bytes, *, loose: Collection[str] = (), most: Mapping[str, int] = NO_LIMITS, array: Array = NO_ARRAY
) -> tuple[Members, list[Members]]:
    """Read one object: the text of each member's value; and the objects of its member `array`, whose text is empty.

    `loose` and `most` are as in Array. Raises UnparsableBody, TooLarge. Lets others run meanwhile.
    """
    if not raw.isascii():
        _require_utf8(raw)
    if len(raw) <= AT_ONCE and (found := jsonreader.members(raw)) is not None:
        if not array.name or array.name not in found:
            return found if are_plain(found) else checked(found, "body", Array("", 1, loose, most)), []
        if (objects := _at_once(found[array.name].encode(), array.name, array)) is not None:
            return checked(found | {array.name: JsonText("")}, "body", Array("", 1, loose, most)), objects
    reader, mine = Reader(raw), Array("", 1, loose, most)
    found, end = reader.object(reader.skip(0), "body", mine, array)
    reader.end(end)
    return found, reader.found


@_in_turn
def read_value(raw: bytes) -> JsonText:
    """Read one JSON value of any kind. Raises UnparsableBody."""
    _require_utf8(raw)
    try:
        return JsonText(jsonreader.whole(raw, rest=give_way).strip(" \t\r\n"))
    except UnstorableJson as error:
        raise UnparsableBody(Fault("body", place(raw, 0, error))) from None


def own(text: str, path: str) -> Any:
    """Return a value that means something to us. Raises UnparsableBody if a name stands twice, TooLarge."""
    if _is_scalar(text):
        return json.loads(text)
    give_way()  # an object may have many of them
    if len(text) > OWN_MAX:
        if text.startswith('"'):  # longer than any of ours may be: nobody needs to know which characters it has
            return text[1:-1]
        raise TooLarge(Fault(path, f"must be at most {OWN_MAX} characters"))
    if len(text) >= jsontext.LONG and text[0] in "[{" and jsontext.depth(text.encode()) > OWN_DEPTH_MAX:
        raise UnparsableBody(Fault(path, f"must not be nested deeper than {OWN_DEPTH_MAX}"))

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found) > OWN_MEMBERS_MAX:
            raise too_many_members(path, OWN_MEMBERS_MAX)
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
    return {
        key: None if key in besides else json.loads(text) if _is_scalar(text) else own(text, member_path(path, key))
        for key, text in members.items()
    }


def _is_scalar(text: str) -> bool:
    return len(text) < jsontext.LONG and text[0] not in "[{"


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
    if found is None and LOOSE.fullmatch(raw):
        found = json.loads(text)
    return found


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
        raise too_many(path, array)
    for nth, members in enumerate(found):
        if not are_plain(members):
            checked(members, f"{array.name}[{nth}]", array)
    return found


def _one(raw: bytes, path: str, array: Array) -> Members:
    give_way()
    found = jsonreader.members(raw)
    return Reader(raw).object(0, path, array)[0] if found is None else checked(found, path, array)
