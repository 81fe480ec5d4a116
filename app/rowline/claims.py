"""Parses the response to a claim: a job that this Python cannot parse must not hide the others.

Python's json rejects integers of thousands of digits and deep nesting. Then the response is split into the texts of its
leases, which are parsed one by one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rowline import texts
from rowline.values import Lease

UNREADABLE = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A claimed job of which only id and token could be parsed; `why` is Python's error message."""

    id: str
    token: str = field(repr=False)
    why: str


def read(body: bytes) -> tuple[Mapping[str, Any], tuple[Lease, ...], tuple[Unread, ...]]:
    """Parse the response to a claim: return its members, the leases, and the leases that cannot be parsed.

    Raises the exceptions that `Answer.read` turns into `not_rowline`.
    """
    try:
        response = json.loads(body)
        return response, tuple(map(Lease.of, response["jobs"])), ()
    except UNREADABLE:
        members = texts.members(body)
    leases, unread = [], []
    for lease in texts.parts(members.pop("jobs")):
        try:
            leases.append(Lease.of(json.loads(lease)))
        except UNREADABLE as error:
            unread.append(_unread(lease, str(error)))
    return {name: json.loads(value) for name, value in members.items()}, tuple(leases), tuple(unread)


def _unread(lease: bytes, why: str) -> Unread:
    named = texts.members(lease)
    return Unread(id=json.loads(texts.members(named["job"])["id"]), token=json.loads(named["token"]), why=why)
