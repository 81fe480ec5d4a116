"""Idempotency keys and the answers that were given under them."""

from dataclasses import dataclass

from app.domain.keys import IdempotencyKey
from app.postgres.database import Connection
from app.store.statements import Statement

_hold = Statement("keys/hold")
_find = Statement("keys/find")
_keep = Statement("keys/keep")
_forget = Statement("keys/forget")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that was given, and the digest of the body that it was given to; not read for another body."""

    body_digest: bytes
    answer: str | None


def hold(conn: Connection, *, queue: str, key: IdempotencyKey) -> bool:
    """Keep others from using `key` until the transaction ends; say whether nobody uses it now. Waits for nobody.

    The lock is on a hash of 64 bits: a key that was never used may, once in a very long time, seem to be in use.
    """
    return bool(_hold.rows(conn, queue=queue, key=key.key, token_digest=key.token_digest)[0].held)


def find(conn: Connection, *, queue: str, key: IdempotencyKey, keep_ms: int) -> Answered | None:
    """Read what was answered under `key` in the last `keep_ms`."""
    found = _find.rows(
        conn,
        queue=queue,
        key=key.key,
        token_digest=key.token_digest,
        body_digest=key.body_digest,
        keep_ms=keep_ms,
    )
    return Answered(found[0].body_digest, found[0].answer) if found else None


def keep(conn: Connection, *, queue: str, key: IdempotencyKey, answer: str) -> None:
    """Write what is answered under `key`; `hold` it first."""
    _keep.rows(
        conn,
        queue=queue,
        key=key.key,
        token_digest=key.token_digest,
        body_digest=key.body_digest,
        answer=answer,
    )


def forget(conn: Connection, *, keep_ms: int, limit: int) -> int:
    """Remove up to `limit` answers older than `keep_ms`; return how many. Skips rows that others hold."""
    return len(_forget.rows(conn, keep_ms=keep_ms, limit=limit))
