"""Which jobs of a queue are looked for: what Find, and plans, have in common."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.domain.job import START_BY_MAX
from app.domain.states import Status

LOOKED_MAX = 20_000
"""The most jobs that one search looks at."""
LOOKED_MS = 250
"""The longest that one search looks at jobs."""
TIME_MAX = START_BY_MAX
SECONDS_MAX = 10**11
"""A moment below this one, of 1973, was meant in seconds, not in ms; 0 is the beginning of time."""
TEXT_MAX = 1_000  # characters of a text or a value that is looked for
PATH_MAX = 255  # characters
CONDITIONS_MAX = 10  # tags, and paths into the data
SHOWN_MAX = 100  # characters of a path in a message
_BRACKETS = re.compile(r"\[(-?\d*)\]")
"""An index as other languages write it, which would be part of a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What a job has to be to be found: all of it. None, and nothing, ask for nothing. Times in ms since the epoch."""

    statuses: tuple[Status, ...] = tuple(Status)
    ids: tuple[str, ...] = ()  # one of these: as in the API, a number or a custom id
    name: str | None = None
    tags: tuple[str, ...] = ()  # all of these
    since_ms: int | None = None  # added, from, inclusive
    until_ms: int | None = None  # added, to, exclusive
    finished_since_ms: int | None = None
    finished_until_ms: int | None = None
    error: str | None = None  # a text that `failedReason` contains
    data: tuple[tuple[str, str], ...] = ()  # paths into the data (`customer.id`), and their values as text
    worker: str | None = None  # `processedBy`
    fingerprint: str | None = None  # of a failed job

    @property
    def needs_payload(self) -> bool:
        """Whether it asks for what a token without `payload` may not see: its answers would tell it."""
        return self.error is not None or self.fingerprint is not None or bool(self.data)

    @property
    def asked(self) -> dict[str, Any]:
        """What it asks for, by field: equal filters have equal ones, and what comes later changes none of them."""
        asked = {field.name: getattr(self, field.name) for field in fields(self)}
        asked |= {"statuses": sorted(self.statuses), "tags": sorted(self.tags), "data": sorted(self.data)}
        return {name: value for name, value in asked.items() if value not in (None, (), [])}

    @property
    def json(self) -> dict[str, Any]:
        """Return what it asks for, as in the API."""
        members: dict[str, Any] = {"statuses": [*self.statuses]} if self.statuses != ALL else {}
        members |= {name: getattr(self, field) for name, field in _NAMES.items() if getattr(self, field) is not None}
        members |= {"tag": [*self.tags]} if self.tags else {}
        members |= {"ids": [*self.ids]} if self.ids else {}
        return members | ({"data": dict(self.data)} if self.data else {})


ALL = tuple(Status)
_NAMES = {
    "name": "name",
    "since": "since_ms",
    "until": "until_ms",
    "finishedSince": "finished_since_ms",
    "finishedUntil": "finished_until_ms",
    "error": "error",
    "worker": "worker",
    "fingerprint": "fingerprint",
}
"""The names in the API of what is one value, and the fields."""


def of_json(members: Mapping[str, Any]) -> JobFilter:
    """Return the filter of `JobFilter.json`, or of a request whose members are valid; repeats count once."""
    return JobFilter(
        statuses=tuple(dict.fromkeys(map(Status, members.get("statuses") or ALL))),
        ids=tuple(dict.fromkeys(members.get("ids") or ())),
        tags=tuple(dict.fromkeys(members.get("tag") or ())),
        data=tuple((members.get("data") or {}).items()),
        **{field: members.get(name) for name, field in _NAMES.items()},
    )


def text_fault(text: str, *, longest: int = TEXT_MAX) -> str | None:
    """Return why nothing can be looked for by `text`, as a predicate; None if it can. No job has NUL or surrogates."""
    if not text:
        return "must not be empty"
    if len(text) > longest:
        return f"must be at most {longest} characters, not {len(text)}"
    if "\0" in text:
        return "must not contain NUL"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "must not contain lone surrogates"
    return None


def moment_fault(ms: int) -> str | None:
    """Return why nothing can be looked for by a moment, as a predicate; None if it can."""
    return "is in ms since the epoch; this looks like seconds" if 0 < ms < SECONDS_MAX else None


def path_fault(path: str) -> str | None:
    """Return why `path` leads nowhere in the data of jobs, as a predicate; None if it may lead somewhere."""
    if "" in path.split("."):
        return "must be keys, or indexes of arrays, with dots between them"
    if _BRACKETS.search(path):
        dotted = _BRACKETS.sub(r".\1", path).lstrip(".")
        return f"has an index in brackets: write {dotted[:SHOWN_MAX]}"
    return text_fault(path, longest=PATH_MAX)
