"""Splits the objects of requests into the texts of their members: valid ones by a few calls of msgspec."""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from app.domain import jsontext
from app.domain.errors import Fault, TooLarge, UnparsableBody
from app.domain.job import JsonText
from app.domain.jsontext import UnstorableJson
from app.infra import cooperation
from app.infra.cooperation import give_way
from app.wire import jsonreader
from app.wire.demands import AT_ONCE, BODY, NO_ARRAY, Array, Form, are_plain, checked, member_path, place, too_many
from app.wire.jsonreader import Members
from app.wire.slowreader import Reader

OWN_MAX = 128 * 1024
"""The most characters of a value that Rowline interprets; strings have limits of their own."""
OWN_DEPTH_MAX, OWN_BRACKETS_MAX, OWN_COLONS_MAX = 4, 100, 500
# No group is repeated possessively: Python before 3.11.4 matches such expressions incorrectly.
_CHARACTERS = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_ESCAPED = 12
"""The most characters of JSON text per character of a string."""
_STRINGS = msgspec.json.Decoder(list[str])
_LOOSE = json.JSONDecoder(strict=False)
"""It takes lone surrogates, and control characters in strings."""
P = ParamSpec("P")
R = TypeVar("R")


def _in_turn(read: Callable[Concatenate[bytes, P], R]) -> Callable[Concatenate[bytes, P], R]:
    """Parse long bodies one at a time: each yields to other greenlets now and then, but not to other long bodies."""

    @functools.wraps(read)
    def reader(raw: bytes, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if len(raw) <= AT_ONCE:
            return read(raw, *args, **kwargs)
        with cooperation.alone():
            return read(raw, *args, **kwargs)

    return reader


@_in_turn
def read_objects(raw: bytes, array: Array) -> list[Members]:
    """Split an array of objects into the texts of their members. Sizes are checked first, then the values.

    Raises UnparsableBody with the path (`jobs[3].data is not JSON`), and TooLarge. Yields to other greenlets.
    """
    _require_utf8(raw)
    if len(raw) <= AT_ONCE and (found := _at_once(raw, BODY, array)) is not None:
        return found
    reader = Reader(raw)
    start = reader.skip(0)
    if start == len(raw):
        raise UnparsableBody(Fault(BODY, "is empty; it must be a JSON array"))
    objects, end = reader.array(start, BODY, array)
    reader.end(end)
    return objects


@_in_turn
def read_object(raw: bytes, form: Form, *, array: Array = NO_ARRAY) -> tuple[Members, list[Members]]:
    """Split one object into the texts of its members, and the objects of its member `array`, whose text is empty.

    Raises UnparsableBody, TooLarge. Yields to other greenlets.
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
    """Validate one JSON value of any type; return its text. Raises UnparsableBody."""
    _require_utf8(raw)
    try:
        return JsonText(jsonreader.whole(raw, give_way=give_way).strip(" \t\r\n"))
    except UnstorableJson as error:
        raise UnparsableBody(Fault(BODY, place(raw, 0, error))) from None


def own(text: str, path: str) -> Any:
    """Parse a value that Rowline interprets. Raises UnparsableBody if an object has a name twice, and TooLarge."""
    if _is_scalar(text):
        return json.loads(text)
    give_way()  # an object may have many of them
    if len(text) > OWN_MAX:
        if text.startswith('"'):  # longer than any limit: escapes need not be decoded
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
    except ValueError:  # an integer over Python's limit of digits
        return json.loads(text, object_pairs_hook=pairs, parse_int=_integer)


def _require_few_parts(text: str, path: str) -> None:
    if text.count("[") + text.count("{") > OWN_BRACKETS_MAX:
        raise UnparsableBody(Fault(path, f"must not have more than {OWN_BRACKETS_MAX} brackets"))
    if text.count(":") > OWN_COLONS_MAX:
        raise UnparsableBody(Fault(path, f"must not have more than {OWN_COLONS_MAX} colons"))
    if len(text) >= jsontext.LONG and jsontext.is_deeper(OWN_DEPTH_MAX, text.encode()):
        raise UnparsableBody(Fault(path, f"must not be nested deeper than {OWN_DEPTH_MAX}"))


def _integer(digits: str) -> int:
    return int(Decimal(digits))


def owns(
    members: Members, *, path: str = "", objects: Collection[str] = (), besides: Collection[str] = ()
) -> dict[str, Any]:
    """Parse the members of an object of Rowline, None for those `besides`; of objects and arrays only `objects`.

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
    """Parse a string. Raises ValueError for any other value."""
    if "\\" not in text and text[0] == '"':
        return text[1:-1]
    value = json.loads(text) if text[0] == '"' else None
    if value is None:
        raise ValueError("is no string")
    return str(value)


def head(text: JsonText, count: int) -> str:
    """Return the first `count` characters of a string, without decoding the rest."""
    begin = text[: (count + 2) * _ESCAPED]
    if len(begin) == len(text):
        return str(json.loads(text))[:count]
    whole = _CHARACTERS.match(begin.encode(), 1)
    assert whole is not None
    return str(json.loads(b'"%b"' % whole[0]))[:count]


def tail(text: JsonText, count: int) -> str:
    """Return the last `count` characters of a string, without decoding the rest."""
    kept = text[-(count + 2) * _ESCAPED :]
    cut = len(text) - len(kept)
    is_escape_cut = _backslashes(text, cut) % 2 == 1
    return str(json.loads('"' * bool(cut) + "\\" * is_escape_cut + kept))[-count:]


def _backslashes(text: str, until: int) -> int:
    """Count the backslashes that stand side by side before `until`."""
    count = 0
    while until > count:
        piece = text[max(0, until - count - jsontext.PIECE) : until - count]
        found = len(piece) - len(piece.rstrip("\\"))
        count += found
        if found < len(piece):
            break
        give_way()
    return count


def lines(text: JsonText, count: int) -> str | None:
    """Return the last `count` characters of an array of strings, as lines; None if it is anything else.

    The text is valid JSON but for lone surrogates, of which U+DC5B may become `[`, and U+DC7B `{`.
    """
    if not text.startswith("["):
        return None
    try:
        if "\\ud" not in text and "\\uD" not in text:
            return "\n".join(_STRINGS.decode(text)[-count - 1 :])[-count:]  # as many lines have as many characters
        # With other brackets, other arrays and objects are no JSON: nothing is built for them. Control characters take
        # half of the memory, but may be there as escapes.
        array, other = ("\udc5b", "\udc7b") if "\\u00" in text else ("\x1c", "\x1d")
        joined = "\n".join(_LOOSE.decode("[" + text[1:].replace("[", array).replace("{", other)))
        return joined[-count:].replace(array, "[").replace(other, "{")
    except (ValueError, TypeError):
        return None


def _require_utf8(raw: bytes) -> None:
    try:
        raw.isascii() or raw.decode()
    except UnicodeDecodeError as error:
        raise UnparsableBody(Fault(BODY, f"must be UTF-8; byte {error.start} is not")) from None


def _at_once(raw: bytes, path: str, array: Array) -> list[Members] | None:
    """Split an array of objects by one call; None if it is none, or if an object has a name twice."""
    try:
        found = jsonreader.objects(raw, array.form.names, most=array.limit)
    except jsonreader.NoObject as error:
        raise UnparsableBody(Fault(f"{array.name}[{error.at}]", "must be an object")) from None
    except jsonreader.TooMany:
        raise too_many(path, array) from None
    if found is None:
        return None
    for nth, members in enumerate(found):
        if not are_plain(members):
            checked(members, f"{array.name}[{nth}]", array.form)
    return found
