"""Parses the response to a claim: a job that this Python cannot parse must not hide the others.

Python's json rejects integers of thousands of digits and deep nesting. Then the response is split into the texts of its
leases, which are parsed one by one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rowline.values import Lease

UNREADABLE = (ValueError, RecursionError)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},:]')


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
        members = _members(body)
    leases, unread = [], []
    for lease in _parts(members.pop("jobs")):
        try:
            leases.append(Lease.of(json.loads(lease)))
        except UNREADABLE as error:
            unread.append(_unread(lease, str(error)))
    return {name: json.loads(value) for name, value in members.items()}, tuple(leases), tuple(unread)


def _unread(lease: bytes, why: str) -> Unread:
    named = _members(lease)
    return Unread(id=json.loads(_members(named["job"])["id"]), token=json.loads(named["token"]), why=why)


def _members(text: bytes) -> dict[str, bytes]:
    """Split an object into the texts of its members, by name."""
    parts = _parts(text)
    return dict(zip(map(json.loads, parts[::2]), parts[1::2], strict=True))


def _parts(text: bytes) -> list[bytes]:
    """Split an array into its elements, or an object into alternating names and values. Nesting is not limited."""
    parts, depth, begin = [], 0, 0
    for token in _TOKEN.finditer(text):
        opens, closes = token[0] in b"[{", token[0] in b"]}"
        depth += opens - closes
        is_edge = (depth == 1 and (opens or token[0] in b",:")) or (depth == 0 and closes)
        if is_edge and not opens:
            parts.append(text[begin : token.start()].strip())
        if is_edge:
            begin = token.end()
    return [part for part in parts if part]
