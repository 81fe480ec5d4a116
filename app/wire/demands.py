"""The required forms of objects in requests, and the faults of objects that do not have them."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.domain import jsontext
from app.domain.errors import Fault, TooLarge, UnparsableBody
from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way
from app.wire.jsonreader import Members, NotJson

KEY_SHOWN = 100  # characters of a member's name that an error repeats
AT_ONCE = jsontext.PIECE
"""The most bytes of a body that are parsed by one call; a longer one is parsed in pieces of as many."""
UNKNOWN = "is not known here"
LONGEST = 2**20
"""The most bytes of the text of a value, or of a name, where there is no other limit."""
BODY = "body"
NO_LIMITS: Mapping[str, int] = MappingProxyType({})


class Form(NamedTuple):
    """The required form of an object: its known members, and limits on their values.

    Values of unknown members are not parsed: they are `null`. `loose` members may be strings, or arrays of strings,
    with lone surrogates; `limits` has the most bytes of members, by name.
    """

    names: frozenset[str]
    loose: Collection[str] = ()
    limits: Mapping[str, int] = NO_LIMITS


class Array(NamedTuple):
    """The required form of an array of objects: its name in faults, its maximum length, and the form of its objects."""

    name: str
    limit: int
    form: Form


NO_ARRAY = Array("", 0, Form(frozenset()))


def member_path(path: str, key: str) -> str:
    """Return the path of a member of the object at `path`, or of the body; a long name is cut."""
    shown = key if len(key) <= KEY_SHOWN else f"{key[:KEY_SHOWN]}…"
    return shown if path in {"", BODY} else f"{path}.{shown}"


def are_plain(members: Members) -> bool:
    """Return whether all values can certainly be stored: they are short and have no escape that could be NUL."""
    for text in members.values():  # noqa: SIM110 -- all() takes twice as long
        if len(text) >= jsontext.LONG or "\\u" in text:
            return False
    return True


def checked(members: Members, path: str, form: Form) -> Members:
    """Check the length of each value, then whether it can be stored. Raises TooLarge, UnparsableBody."""
    if are_plain(members):
        return members
    for key, text in members.items():
        raw = text.encode()
        if len(raw) > (limit := form.limits.get(key, LONGEST)):
            raise too_long(member_path(path, key), limit)
    for key, text in members.items():
        if key not in form.loose:
            require_storable(text.encode(), member_path(path, key))
    return members


def require_storable(raw: bytes, path: str) -> None:
    """Check that valid JSON can be stored and returned unchanged. Raises UnparsableBody."""
    try:
        jsontext.check(raw, give_way=give_way)
    except UnstorableJson as error:
        raise UnparsableBody(Fault(path, str(error))) from None


def too_many(path: str, array: Array) -> TooLarge:
    """Make the error for an array at `path` with too many elements."""
    return TooLarge(Fault(path, f"must hold at most {array.limit} {array.name}"))


def too_long(path: str, limit: int) -> TooLarge:
    """Make the error for a value at `path` of over `limit` bytes."""
    return TooLarge(Fault(path, f"must be at most {limit} bytes"))


def too_many_members(path: str, limit: int) -> UnparsableBody:
    """Make the error for an object at `path` with over `limit` members."""
    return UnparsableBody(Fault(path, f"has more than {limit} members"))


def place(raw: bytes, start: int, error: UnstorableJson) -> str:
    """Describe the fault of the value that begins at `start`, with its position in characters of the whole body."""
    if not isinstance(error, NotJson):
        return str(error)
    return f"is not JSON: {error.what} at character {len(raw[: start + error.at].decode(errors='ignore'))}"
