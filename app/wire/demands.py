"""What is asked of the objects that clients send, and the faults of those that do not have it."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.domain import jsontext
from app.domain.errors import Fault, TooLarge, UnparsableBody
from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way
from app.wire.jsonreader import Members, NotJson

KEY_SHOWN = 100  # characters of a member's name that an answer repeats
AT_ONCE = 256 * 1024
"""Bytes of a body that are read by one call, which takes 4 ms at most; a longer one is read element by element."""
LONGEST = 2**20
"""Bytes that the text of a value, or of a name, may have where nothing else is said."""
BODY = "body"
NO_LIMITS: Mapping[str, int] = MappingProxyType({})


class Form(NamedTuple):
    """What is asked of an object: which members it may have, and of their values.

    Of a member with another name no value is read: `null` stands for it. `loose` members may be strings, or arrays of
    strings, that have half a character in them; `most` is how many bytes a member may have, by name.
    """

    names: frozenset[str]
    loose: Collection[str] = ()
    most: Mapping[str, int] = NO_LIMITS


class Array(NamedTuple):
    """An array of objects: what faults call it, how many it may have, and of which form they are."""

    name: str
    limit: int
    form: Form


NO_ARRAY = Array("", 0, Form(frozenset()))


def member_path(path: str, key: str) -> str:
    """Name a member of the object at `path`, or of the body; a long name is cut, as whoever sent it knows it."""
    shown = key if len(key) <= KEY_SHOWN else f"{key[:KEY_SHOWN]}…"
    return shown if path in {"", BODY} else f"{path}.{shown}"


def are_plain(members: Members) -> bool:
    """Tell whether the values can be stored for certain: they are short, and have no escape that could be NUL."""
    for text in members.values():  # noqa: SIM110 -- all() takes twice as long
        if len(text) >= jsontext.LONG or "\\u" in text:
            return False
    return True


def checked(members: Members, path: str, form: Form) -> Members:
    """Require of each value that it is not too long, then that it can be stored. Raises TooLarge, UnparsableBody."""
    if are_plain(members):
        return members
    for key, text in members.items():
        raw = text.encode()
        if len(raw) > (most := form.most.get(key, LONGEST)):
            raise too_long(member_path(path, key), most)
    for key, text in members.items():
        if key not in form.loose:
            require_storable(text.encode(), member_path(path, key))
    return members


def require_storable(raw: bytes, path: str) -> None:
    """Require of valid JSON that it can be given back. Raises UnparsableBody."""
    try:
        jsontext.check(raw, rest=give_way)
    except UnstorableJson as error:
        raise UnparsableBody(Fault(path, str(error))) from None


def too_many(path: str, array: Array) -> TooLarge:
    """Refuse an array at `path`."""
    return TooLarge(Fault(path, f"must hold at most {array.limit} {array.name}"))


def too_long(path: str, most: int) -> TooLarge:
    """Refuse a value of over `most` bytes."""
    return TooLarge(Fault(path, f"must be at most {most} bytes"))


def too_many_members(path: str, most: int) -> UnparsableBody:
    """Refuse an object."""
    return UnparsableBody(Fault(path, f"has more than {most} members"))


def place(raw: bytes, start: int, error: UnstorableJson) -> str:
    """Say what is wrong with the value that begins at `start`, and at which character of the whole."""
    if not isinstance(error, NotJson):
        return str(error)
    return f"is not JSON: {error.what} at character {len(raw[: start + error.at].decode(errors='ignore'))}"
