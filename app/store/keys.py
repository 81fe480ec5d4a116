"""Idempotency keys and their stored responses."""

from dataclasses import dataclass

from app.domain.keys import IdempotencyKey
from app.postgres.database import Connection
from app.store.statements import Statement

_try_lock = Statement("keys/try_lock")
_find = Statement("keys/find")
_keep = Statement("keys/keep")
_forget = Statement("keys/forget")


@dataclass(frozen=True, slots=True)
class Answered:
    """The stored response of a key, of `size` bytes, and the digest of its request's body.

    `answer` is None for another body, or if it is longer than was asked for.
    """

    body_digest: bytes
    size: int
    answer: str | None


def try_lock(conn: Connection, *, queue: str, key: IdempotencyKey) -> bool:
    """Lock `key` until the transaction ends; return False if another transaction has it locked. Waits for no lock.

    The advisory lock is on a 64-bit hash: very rarely, an unused key seems to be in use.
    """
    return bool(_try_lock.rows(conn, queue=queue, key=key.key, token_digest=key.token_digest)[0].held)


def find(conn: Connection, *, queue: str, key: IdempotencyKey, keep_ms: int, max_bytes: int) -> Answered | None:
    """Return the response stored under `key` in the last `keep_ms`, if there is one; its text up to `max_bytes`."""
    found = _find.rows(
        conn,
        queue=queue,
        key=key.key,
        token_digest=key.token_digest,
        body_digest=key.body_digest,
        keep_ms=keep_ms,
        max_bytes=max_bytes,
    )
    return Answered(bytes(found[0].body_digest), found[0].size, found[0].answer) if found else None


def keep(conn: Connection, *, queue: str, key: IdempotencyKey, answer: str) -> None:
    """Store the response of `key`; call `try_lock` first."""
    _keep.rows(
        conn,
        queue=queue,
        key=key.key,
        token_digest=key.token_digest,
        body_digest=key.body_digest,
        answer=answer,
    )


def forget(conn: Connection, *, keep_ms: int, limit: int) -> int:
    """Delete up to `limit` responses older than `keep_ms`; return how many. Skips locked rows."""
    return len(_forget.rows(conn, keep_ms=keep_ms, limit=limit))
