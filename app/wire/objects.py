"""The objects that clients send, read into the texts of their members: at once where they are as they should be."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection
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
    BODY,
    NO_ARRAY,
    Array,
    Form,
    are_plain,
    checked,
    member_path,
    place,
    too_many,
)
from app.wire.jsonreader import Members
from app.wire.slowreader import CHARACTERS, Reader

OWN_MAX = 128 * 1024
"""Characters of a value that means something to us, unless it is a string, which is cut or refused by its own limit."""
OWN_DEPTH_MAX, OWN_BRACKETS_MAX, OWN_COLONS_MAX = 4, 200, 500
_ESCAPED = 12
"""Characters of JSON that one character takes at most."""
P = ParamSpec("P")
R = TypeVar("R")


def _in_turn(read: Callable[Concatenate[bytes, P], R]) -> Callable[Concatenate[bytes, P], R]:
    """Read long bodies one after the other: each gives way to others now and then, but not to its like."""

    @functools.wraps(read)
    def reader(raw: bytes, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if len(raw) <= AT_ONCE:
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
    if len(raw) <= AT_ONCE and (found := _at_once(raw, BODY, array)) is not None:
        return found
    reader = Reader(raw)
    start = reader.skip(0)
    if start == len(raw):
        raise UnparsableBody(Fault(BODY, "is empty; it must be a JSON array"))
    broken_at, good = jsonreader.where_broken(raw) if len(raw) <= AT_ONCE else (0, 0)
    if broken_at:  # it is told sooner than by reading all that is good before
        reader.end(reader.elements(broken_at, BODY, array, good=good)[1])
    objects, end = reader.array(start, BODY, array)
    reader.end(end)
    return objects


@_in_turn
def read_object(raw: bytes, form: Form, *, array: Array = NO_ARRAY) -> tuple[Members, list[Members]]:
    """Read one object: the text of each member's value; and the objects of its member `array`, whose text is empty.

    Raises UnparsableBody, TooLarge. Lets others run meanwhile.
    """
    if not raw.isascii():
        _require_utf8(raw)
    if len(raw) <= AT_ONCE and (found := jsonreader.members(raw, form.names)) is not None:
        if not array.name or array.name not in found:
            return checked(found, BODY, form), []
        if (objects := _at_once(found[array.name].encode(), array.name, array)) is not None:
            return checked(found | {array.name: JsonText("")}, BODY, form), objects
    reader = Reader(raw)
    found, end = reader.object(reader.skip(0), BODY, form, array)
    reader.end(end)
    return found, reader.found


@_in_turn
def read_value(raw: bytes) -> JsonText:
    """Read one JSON value of any kind. Raises UnparsableBody."""
    _require_utf8(raw)
    try:
        return JsonText(jsonreader.whole(raw, rest=give_way).strip(" \t\r\n"))
    except UnstorableJson as error:
        raise UnparsableBody(Fault(BODY, place(raw, 0, error))) from None


def own(text: str, path: str) -> Any:
    """Return a value that means something to us. Raises UnparsableBody if a name stands twice, TooLarge."""
    if _is_scalar(text):
        return json.loads(text)
    give_way()  # an object may have many of them
    if len(text) > OWN_MAX:
        if text.startswith('"'):  # longer than any of ours may be: nobody needs to know which characters it has
            return text[1:-1]
        raise TooLarge(Fault(path, f"must be at most {OWN_MAX} characters"))
    if text[0] in "[{":
        _require_few_parts(text, path)

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(found)
        if len(members) < len(found):
            [(twice, _)] = Counter(key for key, _ in found).most_common(1)
            raise UnparsableBody(Fault(member_path(path, twice), "is there twice"))
        return members

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except ValueError:  # an integer of more digits than this interpreter is told to read
        return json.loads(text, object_pairs_hook=pairs, parse_int=_integer)


def _require_few_parts(text: str, path: str) -> None:
    if text.count("[") + text.count("{") > OWN_BRACKETS_MAX:
        raise UnparsableBody(Fault(path, f"must not have more than {OWN_BRACKETS_MAX} brackets"))
    if text.count(":") > OWN_COLONS_MAX:
        raise UnparsableBody(Fault(path, f"must not have more than {OWN_COLONS_MAX} colons"))
    if len(text) >= jsontext.LONG and jsontext.depth(text.encode()) > OWN_DEPTH_MAX:
        raise UnparsableBody(Fault(path, f"must not be nested deeper than {OWN_DEPTH_MAX}"))


def _integer(digits: str) -> int:
    return int(Decimal(digits))


def owns(
    members: Members, *, path: str = "", objects: Collection[str] = (), besides: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values of an object of ours, None for those `besides`; only `objects` are read of what has parts.

    Raises as `own` does.
    """
    return {key: None if key in besides else _of_ours(key, text, path, objects) for key, text in members.items()}


def _of_ours(key: str, text: JsonText, path: str, objects: Collection[str]) -> Any:
    if text[0] == "[" and key not in objects:
        return []
    if text[0] == "{" and key not in objects:
        return {}
    return json.loads(text) if _is_scalar(text) else own(text, member_path(path, key))


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


def head(text: JsonText, most: int) -> str:
    """Return the first `most` characters of a string, without a look at the rest."""
    begin = text[: (most + 2) * _ESCAPED]
    if len(begin) == len(text):
        return str(json.loads(text))[:most]
    whole = CHARACTERS.match(begin.encode(), 1)
    assert whole is not None
    return str(json.loads(b'"%b"' % whole[0]))[:most]


def tail(text: JsonText, most: int) -> str:
    """Return the last `most` characters of a string, without a look at the rest."""
    kept = text[-(most + 2) * _ESCAPED :]
    before = text[: -len(kept)]
    is_escape_cut = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    return str(json.loads('"' * bool(before) + "\\" * is_escape_cut + kept))[-most:]


def lines(text: JsonText) -> str | None:
    """Return the strings of an array as lines, halves of characters in them as they are; None for anything else."""
    line = jsontext.lines(text.encode())
    return None if line is None else str(json.loads(line))


def _require_utf8(raw: bytes) -> None:
    try:
        raw.isascii() or raw.decode()
    except UnicodeDecodeError as error:
        raise UnparsableBody(Fault(BODY, f"must be UTF-8; byte {error.start} is not")) from None


def _at_once(raw: bytes, path: str, array: Array) -> list[Members] | None:
    """Read an array of objects by few calls; None if it is no JSON."""
    if jsonreader.has_more_than(array.limit, raw):
        raise too_many(path, array)
    try:
        found = jsonreader.objects(raw, array.form.names)
    except jsonreader.NoObject as error:
        raise UnparsableBody(Fault(f"{array.name}[{error.at}]", "must be an object")) from None
    if found is None:
        give_way()
        elements = jsonreader.elements(raw)
        if elements is None:
            return None
        return [_one(element, f"{array.name}[{nth}]", array) for nth, element in enumerate(elements)]
    for nth, members in enumerate(found):
        if not are_plain(members):
            checked(members, f"{array.name}[{nth}]", array.form)
    return found


def _one(raw: bytes, path: str, array: Array) -> Members:
    give_way()
    found = jsonreader.members(raw, array.form.names)
    return Reader(raw).object(0, path, array.form)[0] if found is None else checked(found, path, array.form)
