"""Idempotency keys, which make a request safe to repeat."""

import re
from dataclasses import dataclass

KEY_MAX = 255
_BARE = re.compile(r"[ -~]+")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The key of a request. Keys of different tokens, and of different queues, are independent."""

    key: str
    token_digest: bytes  # SHA-256, so that no token is stored
    body_digest: bytes  # SHA-256 of the bytes of the body


def read(header: str) -> str:
    """Return the key in an `Idempotency-Key` header, bare or quoted. Raises ValueError, whose text is a predicate."""
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
