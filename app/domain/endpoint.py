"""A queue's endpoint: where its jobs are sent, how often, and what may be said of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
"""What only whoever frames and signs the request may say."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """At most `most` calls in each window of `window_ms`; a window begins with its first call."""

    most: int
    window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint as asked for. Every field is set by the client, or has the default of the contract."""

    queue: str
    url: str
    method: str
    headers: Mapping[str, str] = field(repr=False)  # tokens may stand there
    secrets: Sequence[str] = field(repr=False)  # `whsec_…`, the newest first; none: others are taken
    timeout_ms: int = TIMEOUT_MS  # of one call, from the look-up of the name to the last byte of the answer
    concurrency: int = CONCURRENCY  # calls at a time, over all dispatchers
    limiter: Limiter | None = None
    max_stalled_count: int | None = None  # None = the operator's


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint as stored. What is secret is sealed: only who has the key can read it."""

    queue: str
    url: str
    method: str
    sealed_headers: bytes
    sealed_secrets: bytes
    timeout_ms: int
    concurrency: int
    revision: str  # new at each registration
    registered_at: datetime


def header_fault(name: str, value: str) -> str | None:
    """Say what keeps a header from being sent, as a predicate; None if nothing does."""
    if not _TOKEN.fullmatch(name):
        return "is not a header's name"
    if name.lower() in _OURS:
        return "is a header that Rowline sets itself"
    if not _VALUE.fullmatch(value):
        return "must be printable ASCII"
    return None


def headers_fault(headers: Mapping[str, str]) -> str | None:
    """Say what keeps these headers from being sent together, as a predicate; None if nothing does."""
    if len(headers) > HEADERS_MAX:
        return f"must be at most {HEADERS_MAX}, not {len(headers)}"
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items())
    if size > HEADERS_MAX_BYTES:
        return f"must be at most {HEADERS_MAX_BYTES} bytes together, not {size}"
    if len({name.lower() for name in headers}) < len(headers):
        return "must not name a header twice"
    return None
