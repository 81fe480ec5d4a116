"""The endpoint of a queue: the URL its jobs are sent to, its limits, and the rules for its headers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.retention import UNSET, Retention

METHODS = ("POST", "PUT", "PATCH")
URL_MAX = 2_048  # characters
TIMEOUT_MS, TIMEOUT_MAX_MS = 30_000, 600_000
CONCURRENCY, CONCURRENCY_MAX = 1, 1_000
LIMITER_MAX, LIMITER_MAX_MS = 1_000_000, 24 * 3600 * 1000
STALLED_MAX = 1_000
HEADERS_MAX, HEADERS_MAX_BYTES = 50, 8 * 1024
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "webhook-id", "webhook-timestamp"}
    | {"webhook-signature", "idempotency-key", "expect", "te", "trailer", "upgrade", "keep-alive", "proxy-connection"}
)
"""Headers that Rowline sets itself, because it frames and signs the request."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """At most `max_calls` calls in each window of `window_ms`; a window begins with its first call."""

    max_calls: int
    window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint as requested: every field is set by the client or has its default from the contract."""

    queue: str
    url: str
    method: str
    headers: Mapping[str, str] = field(repr=False)  # not in repr: they may contain tokens
    secrets: Sequence[str] = field(repr=False)  # `whsec_…`, the newest first; empty: the service's secrets are used
    timeout_ms: int = TIMEOUT_MS  # of one call, from the DNS look-up to the last byte of the response
    concurrency: int = CONCURRENCY  # simultaneous calls, of all dispatchers together
    limiter: Limiter | None = None
    max_stalled_count: int | None = None  # None: the setting of the operator applies
    retention: Retention = UNSET  # how long finished jobs of its queue are kept that say nothing themselves
    sees_payload: bool = True  # whether it is sent what earlier attempts left of a job, not only its data


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint as stored. Headers and secrets are encrypted; reading them needs the key."""

    queue: str
    url: str
    method: str
    sealed_headers: bytes
    sealed_secrets: bytes
    timeout_ms: int
    concurrency: int
    revision: str  # new at each registration
    registered_at: datetime
    sees_payload: bool  # as in `NewEndpoint`


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """An endpoint as people see it, switched off or not, without its headers and secrets."""

    queue: str
    url: str
    method: str
    timeout_ms: int
    concurrency: int
    limiter: Limiter | None
    max_stalled_count: int | None
    retention: Retention
    sees_payload: bool
    registered_at: datetime
    paused_until: datetime | None  # until when it asked for no calls; None: it does not, or not any more
    switched_off_at: datetime | None
    switched_off_reason: str | None


def header_fault(name: str, value: str) -> str | None:
    """Return why a header is invalid, as a predicate; None if it is valid."""
    if not _TOKEN.fullmatch(name):
        return "is not a header's name"
    if name.lower() in _OURS:
        return "is a header that Rowline sets itself"
    if not _VALUE.fullmatch(value):
        return "must be printable ASCII"
    return None


def headers_fault(headers: Mapping[str, str]) -> str | None:
    """Return why these headers are invalid together, as a predicate; None if they are valid."""
    if len(headers) > HEADERS_MAX:
        return f"must be at most {HEADERS_MAX}, not {len(headers)}"
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items())
    if size > HEADERS_MAX_BYTES:
        return f"must be at most {HEADERS_MAX_BYTES} bytes together, not {size}"
    if len({name.lower() for name in headers}) < len(headers):
        return "must not name a header twice"
    return None
