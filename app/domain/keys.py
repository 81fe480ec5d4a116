"""Idempotency keys: what makes a request safe to repeat."""

import re
from dataclasses import dataclass

KEY_MAX = 255
_BARE = re.compile(r"[ -~]+")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A key as it came with a request: it belongs to one token and, below that, to one queue."""

    key: str
    token_digest: bytes  # SHA-256, so that the table holds no token
    body_digest: bytes  # SHA-256 of the body, byte by byte


def read(header: str) -> str:
    """Return the key that an `Idempotency-Key` header names, bare or quoted. Raises ValueError with a predicate."""
    key = header.strip(" \t")
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        if quoted is None:
            raise ValueError("must end with the quote it begins with, and hold only printable ASCII between them")
        key = _ESCAPED.sub(r"\1", quoted[1])
    elif key and not _BARE.fullmatch(key):
        raise ValueError("must be printable ASCII, in one header")
    if not 1 <= len(key) <= KEY_MAX:
        raise ValueError(f"must have 1 to {KEY_MAX} characters")
    return key
