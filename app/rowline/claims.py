"""Parses the response to a claim: a job that this Python cannot parse must not hide the others.

Python's json rejects integers of thousands of digits and deep nesting. Then the response is split into the texts of its
leases, which are parsed one by one.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rowline import texts
from rowline.values import Lease

R = TypeVar("R")
UNREADABLE = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A claimed job of which only id and token could be parsed; `why` is Python's error message."""

    id: str
    token: str = field(repr=False)
    why: str


def read(body: bytes, *, read: Callable[[Any], R]) -> tuple[R, tuple[Lease, ...], tuple[Unread, ...]]:
    """Parse the response to a claim: return its members, by `read`, the leases, and those that cannot be parsed.

    Raises the exceptions that `Answer.read` turns into `not_rowline`.
    """
    try:
        response = json.loads(body)
        leases = tuple(map(Lease.of, response["jobs"]))
    except UNREADABLE:
        pass
    else:
        return read(response), leases, ()
    members = texts.members(body)
    readable, unread = [], []
    for lease in texts.parts(members.pop("jobs")):
        try:
            readable.append(Lease.of(json.loads(lease)))
        except UNREADABLE as error:
            unread.append(_unread(lease, str(error)))
    told = read({name: json.loads(value) for name, value in members.items()})
    return told, tuple(readable), tuple(unread)


def _unread(lease: bytes, why: str) -> Unread:
    named = texts.members(lease)
    return Unread(id=json.loads(texts.members(named["job"])["id"]), token=json.loads(named["token"]), why=why)
