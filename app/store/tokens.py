"""API tokens, by id; their secrets are stored as SHA-256."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.domain.tokens import STREAMS, Limits, Scope, Token
from app.postgres.database import Connection
from app.store.statements import Statement

_find = Statement("tokens/find")
_changes = Statement("tokens/changes")
_note_change = Statement("tokens/note_change")
_insert = Statement("tokens/insert")
_lock = Statement("tokens/lock")
_forget = Statement("tokens/forget")
_rotate = Statement("tokens/rotate")
_finish_rotation = Statement("tokens/finish_rotation")
_revoke = Statement("tokens/revoke")
_count_valid = Statement("tokens/count_valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The token of an id, None if there is none; its digests; how long it is valid; the mark it was read beside."""

    token: Token | None
    digests: tuple[bytes, ...]
    expires_in_ms: int | None
    mark: str


class Locked(NamedTuple):
    """A token that is locked, and its digests."""

    token: Token
    digests: tuple[bytes, ...]


def find(conn: Connection, token_ids: Collection[str]) -> dict[str, Found]:
    """Return what is stored of each of `token_ids`, all of one snapshot."""
    return {row.asked_id: _found(row) for row in _find.rows(conn, ids=list(token_ids))}


def _found(row: Any) -> Found:
    if row.id is None:
        return Found(token=None, digests=(), expires_in_ms=None, mark=row.mark)
    return Found(token=of(row), digests=_digests(row), expires_in_ms=row.expires_in_ms, mark=row.mark)


def _digests(row: Any) -> tuple[bytes, ...]:
    return tuple(bytes(digest) for digest in (row.digest, row.next_digest) if digest is not None)


def changes(conn: Connection) -> str:
    """Return the mark that changes when a secret ceases to be valid."""
    return str(_changes.rows(conn)[0].mark)


def note_change(conn: Connection) -> None:
    """Note that a secret ceases to be valid, so that processes read tokens again. Waits for other such changes."""
    _note_change.rows(conn)


def insert(
    conn: Connection,
    *,
    token_id: str,
    name: str,
    scopes: Collection[Scope],
    digest: bytes,
    limits: Limits,
    expires_at: datetime | None,
) -> Token | None:
    """Store a new token and return it; None if the id is taken."""
    found = _insert.rows(
        conn,
        id=token_id,
        name=name,
        scopes=[str(scope) for scope in scopes],
        digest=digest,
        requests_per_s=limits.requests_per_s,
        jobs_per_s=limits.jobs_per_s,
        waiting_jobs=limits.waiting_jobs,
        streams=limits.streams or STREAMS,
        expires_s=expires_at.timestamp() if expires_at else None,
    )
    return of(found[0]) if found else None


def lock(conn: Connection, *, token_ids: Collection[str]) -> dict[str, Locked]:
    """Lock those of `token_ids` that there are until the transaction ends, and return them by their ids.

    Whoever needs several locks them by one call: then nobody waits for one who waits for them.
    """
    return {row.id: Locked(of(row), _digests(row)) for row in _lock.rows(conn, ids=list(token_ids))}


def forget(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` tokens that ended 400 days ago; return how many."""
    return len(_forget.rows(conn, limit=limit))


def rotate(conn: Connection, *, token_id: str, digest: bytes) -> None:
    """Store a second secret of a token, in place of one that it may have."""
    _rotate.rows(conn, id=token_id, digest=digest)


def finish_rotation(conn: Connection, *, token_id: str) -> bool:
    """Leave a token its second secret alone; return whether it had one."""
    return bool(_finish_rotation.rows(conn, id=token_id))


def revoke(conn: Connection, *, token_id: str) -> bool:
    """Revoke a token; return whether it was not revoked before."""
    return bool(_revoke.rows(conn, id=token_id))


def count_valid(conn: Connection) -> int:
    """Return how many tokens are valid."""
    return int(_count_valid.rows(conn)[0].number)


def of(row: Any) -> Token:
    """Return the token of a row."""
    return Token(
        id=row.id,
        name=row.name,
        scopes=tuple(map(Scope.stored, row.scopes)),
        limits=Limits(
            requests_per_s=row.requests_per_s,
            jobs_per_s=row.jobs_per_s,
            waiting_jobs=row.waiting_jobs,
            streams=row.streams,
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        is_rotating=row.next_digest is not None,
        is_ended=row.is_ended,
    )
