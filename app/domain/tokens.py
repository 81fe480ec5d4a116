"""API tokens: their form, scopes and limits, and who sends a request. A token is a secret: its SHA-256 is stored."""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from app.domain import ids

PREFIX = "rl"
ID_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 8, 32, 6
NAME_MAX = 100  # characters
SCOPES_MAX = 100
SCOPE_MAX = 150  # characters
TOKENS_MAX = 100_000
LIMIT_MAX = 1_000_000_000
ALL = "*"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(
    rf"(?P<body>{PREFIX}_(?P<id>[0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"(?P<check>[0-9A-Za-z]{{{CHECK_LENGTH}}})",
    re.ASCII,
)

_SECRET = re.compile(rf"(?<={PREFIX}_[0-9A-Za-z]{{{ID_LENGTH}}}_)[0-9A-Za-z]+", re.ASCII)


class Action(StrEnum):
    """What a scope allows. `app/docs/tokens.md` says what each means."""

    ADD = "jobs:add"
    READ = "jobs:read"
    MANAGE = "jobs:manage"
    PAYLOAD = "payload"
    WORK = "work"
    QUEUES = "queues:manage"
    ENDPOINTS = "endpoints:manage"
    EVENTS = "events"
    METRICS = "metrics"
    DASHBOARD = "dashboard"
    TOKENS = "tokens:manage"
    AUDIT = "audit"


OF_NO_QUEUE = frozenset({Action.METRICS, Action.DASHBOARD, Action.TOKENS, Action.AUDIT})
"""Actions that concern no queue: their scopes have no pattern."""


def create() -> tuple[str, str]:
    """Return a new token, at random, and its id."""
    token_id = _random(ID_LENGTH)
    return another(token_id), token_id


def another(token_id: str) -> str:
    """Return a token of this id with another secret, for its rotation."""
    body = f"{PREFIX}_{token_id}_{_random(SECRET_LENGTH)}"
    return body + _checksum(body)


def claimed_id(shown: str) -> str:
    """Return the id in what a client shows as a token, whatever else that is; "" if there is none."""
    return shown[len(PREFIX) + 1 : len(PREFIX) + 1 + ID_LENGTH] if shown.startswith(f"{PREFIX}_") else ""


def id_of(shown: str) -> str | None:
    """Return the id of a token that a client shows; None if it has not the form of one, or a typing error."""
    found = _FORM.fullmatch(shown)
    return found["id"] if found and found["check"] == _checksum(found["body"]) else None


def masked(text: str) -> str:
    """Return a text for a log, without the secrets of tokens that somebody has put into it, whole or not."""
    return _SECRET.sub("***", text) if f"{PREFIX}_" in text else text


def digest(shown: bytes) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(shown).digest()


def is_one_of(shown: bytes, stored: Iterable[bytes]) -> bool:
    """Whether a digest is one of those stored. All are compared: the time does not depend on which one it is."""
    return True in [hmac.compare_digest(shown, each) for each in stored]


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    """Return the CRC32 in base 62, by which searches for secrets know a token, and typing errors cost nothing."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


@dataclass(frozen=True, slots=True)
class Scope:
    """An action, and the queues on which it is allowed: a name, or the beginning of names followed by `*`."""

    action: str  # an `Action`, or ALL
    pattern: str = ALL

    @classmethod
    def read(cls, text: str) -> "Scope":
        """Read `action@pattern`; without a pattern: for all queues. Raises ValueError, whose text is a predicate."""
        action, at, pattern = text.partition("@")
        if text == ALL:
            return cls(ALL)
        if action not in {*Action}:
            raise ValueError(f"must begin with one of {', '.join(Action)}, or be {ALL!r}")
        if at and action in OF_NO_QUEUE:
            raise ValueError(f"must be without @: {action} concerns no queue")
        if not at:
            return cls(action)
        begin = pattern.removesuffix(ALL)
        if ALL in begin:
            raise ValueError(f"must have {ALL!r} at its end only")
        name = begin if begin == pattern else f"{begin}x"  # a name may begin with what no name is
        if fault := ids.name_fault(name, max_length=ids.QUEUE_NAME_MAX):
            raise ValueError(f"has an invalid queue after @, which {fault}")
        return cls(action, pattern)

    @classmethod
    def stored(cls, text: str) -> "Scope":
        """Return a scope as it was stored. One of a later release, with an action unknown here, allows nothing here."""
        action, _, pattern = text.partition("@")
        return cls(action, pattern or ALL)

    def __str__(self) -> str:
        """Return the shortest text that `read` reads."""
        return self.action if self.pattern == ALL else f"{self.action}@{self.pattern}"

    def allows(self, action: Action, queue: str | None) -> bool:
        """Whether it allows `action` on `queue`; None: on any queue at all, or where none is concerned."""
        return self.action in (ALL, action) and (queue is None or self._covers(queue))

    def includes(self, other: "Scope") -> bool:
        """Whether all that `other` allows is allowed."""
        return self.action in (ALL, other.action) and self._covers(other.pattern)

    def _covers(self, other: str) -> bool:
        """Whether the pattern matches a name, or all that another pattern matches."""
        if self.pattern.endswith(ALL):
            return other.startswith(self.pattern[:-1])
        return other == self.pattern


STREAMS = 10
"""Streams of events that a token may have in each API process, unless its limits say another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a token may use; None: as much as it likes. Rates are kept by each API process by itself."""

    requests_per_s: int | None = None
    jobs_per_s: int | None = None  # that it adds
    waiting_jobs: int | None = None  # of a queue: with so many that have not started, it adds none
    streams: int | None = None  # of events, in each API process; of a new token None: STREAMS

    def within(self, other: "Limits") -> bool:
        """Whether none is above that of `other`."""
        mine = (self.requests_per_s, self.jobs_per_s, self.waiting_jobs, self.streams or STREAMS)
        theirs = (other.requests_per_s, other.jobs_per_s, other.waiting_jobs, other.streams)
        return all(limit is None or (own is not None and own <= limit) for own, limit in zip(mine, theirs, strict=True))


def limits_json(limits: Limits) -> dict[str, int]:
    """Return the limits that are set, as JSON."""
    named = {
        "requestsPerS": limits.requests_per_s,
        "jobsPerS": limits.jobs_per_s,
        "waitingJobs": limits.waiting_jobs,
        "streams": None if limits.streams == STREAMS else limits.streams,
    }
    return {name: limit for name, limit in named.items() if limit is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as stored, without its secrets."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    limits: Limits
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    is_rotating: bool  # a second secret is valid too
    is_ended: bool  # expired or revoked, by the clock of the database


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who sends a request: an API token, and what it may do."""

    id: str  # `token:<id>`, or `env:<nth>` for one of AUTH_TOKENS
    name: str  # "" for one of AUTH_TOKENS
    scopes: tuple[Scope, ...]
    limits: Limits = field(default_factory=Limits)
    expires_at: datetime | None = None
    key_digest: bytes  # by which its idempotency keys are kept

    @cached_property
    def is_stored(self) -> bool:
        """Whether it is a token of the database, which can be revoked."""
        return self.id.startswith("token:")

    @property
    def token_id(self) -> str:
        """The id of a token of the database."""
        return self.id.partition(":")[2]

    @cached_property
    def is_full(self) -> bool:
        """Whether it may do everything."""
        return any(scope.action == ALL for scope in self.scopes)

    def may(self, action: Action, queue: str | None) -> bool:
        """Whether it may do `action` on `queue`; None: on any queue at all, or where none is concerned."""
        return self.is_full or any(scope.allows(action, queue) for scope in self.scopes)

    def patterns(self, action: Action) -> list[str]:
        """Return the patterns of the names of the queues on which it may do `action`."""
        return [scope.pattern for scope in self.scopes if scope.allows(action, None)]

    def lacking(self, wanted: Sequence[Scope]) -> list[Scope]:
        """Return those of `wanted` that none of its scopes includes: nobody grants what they do not hold."""
        return [one for one in wanted if not any(scope.includes(one) for scope in self.scopes)]
