"""Reads of API tokens: who a client is, and lists."""

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy

from app.domain import tokens as domain
from app.domain.tokens import Caller, Token
from app.infra import callers
from app.infra.semaphore import FairSemaphore
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import Database, DatabaseError
from app.queries.permits import long_read
from app.store import tables
from app.store import tokens as store
from app.store.tokens import Found

TRUST_S = 2.0
"""How long what was read is trusted without asking whether a secret has ceased to be valid."""
KEPT_S = 4.0
"""How long it is used at most, by requests that come while that is asked."""
REMEMBERED = 20_000
SCOPES_REMEMBERED = 200_000
"""Of all tokens together: a scope takes some 300 bytes."""
TOGETHER_MAX = 1_000
_ALL = "all"


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A caller, whose secrets were valid beside a mark; it expires at a time of the monotonic clock."""

    caller: Caller
    digests: tuple[bytes, ...]
    mark: str
    ends_at: float


class Callers:
    """Finds who a client is by the token that it shows. For the greenlets of one thread.

    A process remembers the tokens it has seen, and asks every TRUST_S, for all of them at once, whether any secret has
    ceased to be valid. Tokens it has not seen are read one statement at a time: clients that guess use one connection.
    """

    def __init__(self, db: Database, *, wait_ms: int) -> None:
        """`wait_ms`: the longest wait for a running statement."""
        self._db, self._wait_s = db, wait_ms / 1000
        self._semaphore = FairSemaphore(1)
        self._coalescer: RequestCoalescer[str, Found] = RequestCoalescer(
            self._read, max_batch=TOGETHER_MAX, abort_error=DatabaseError
        )
        self._seen: OrderedDict[str, _Remembered] = OrderedDict()
        """By the ids of the tokens, the latest read last."""
        self._scopes = 0  # of all of them, which is what they take memory for
        self._mark = ""
        self._proved_at = -math.inf  # on the monotonic clock: when the statement was sent that read `_mark`
        self._is_asking = False

    def remembers(self, token_id: str, digest: bytes) -> bool:
        """Whether a token was valid when it was last seen, though it may have been revoked since. Asks nobody."""
        seen = self._seen.get(token_id)
        return seen is not None and time.monotonic() < seen.ends_at and domain.is_one_of(digest, seen.digests)

    def distrust(self) -> None:
        """Ask at the next request whether a secret has ceased to be valid: this process knows that one has."""
        self._proved_at = -math.inf

    def seen(self, token_id: str, digest: bytes) -> Caller | None:
        """Return who showed this token before, if it is still valid; None: `find` has to look. Raises DatabaseError."""
        seen = self._seen.get(token_id)
        if seen is None or not domain.is_one_of(digest, seen.digests):
            return None
        if time.monotonic() - self._proved_at > TRUST_S:
            self._prove()
        now = time.monotonic()
        is_true = seen.mark == self._mark and now < seen.ends_at and now - self._proved_at <= KEPT_S
        return seen.caller if is_true else None

    def find(self, token_id: str, digest: bytes) -> Caller | None:
        """Return who shows a token, None if it is not valid. Raises DatabaseError."""
        now = time.monotonic()
        with callers.nobody():
            found = self._coalescer.submit(_ALL, token_id)
        self._note(found.mark, now)
        self._forget(token_id)
        if found.token is None or found.token.is_ended:
            return None
        ends_at = math.inf if found.expires_in_ms is None else now + found.expires_in_ms / 1000
        seen = self._seen[token_id] = _Remembered(_caller(found.token), found.digests, found.mark, ends_at)
        self._scopes += len(seen.caller.scopes)
        while len(self._seen) > REMEMBERED or self._scopes > SCOPES_REMEMBERED:
            self._forget(next(iter(self._seen)))
        return seen.caller if domain.is_one_of(digest, found.digests) else None

    def _forget(self, token_id: str) -> None:
        seen = self._seen.pop(token_id, None)
        self._scopes -= len(seen.caller.scopes) if seen else 0

    def _note(self, mark: str, sent_at: float) -> None:
        """Note a mark that was read by a statement sent at a time, unless a later one has told more."""
        if sent_at >= self._proved_at:
            self._mark, self._proved_at = mark, sent_at

    def _prove(self) -> None:
        """Ask whether a secret has ceased to be valid, unless another greenlet does so. Raises DatabaseError, late."""
        now = time.monotonic()
        if self._is_asking:
            return
        self._is_asking = True
        try:
            with callers.nobody(), self._db.read_once() as conn:
                mark = store.changes(conn)
        except DatabaseError:
            if now - self._proved_at > KEPT_S:
                raise
            return
        finally:
            self._is_asking = False
        self._note(mark, now)

    def _read(self, _topic: str, token_ids: Sequence[str]) -> list[Found]:
        if not self._semaphore.take(timeout_s=self._wait_s):
            raise DatabaseError("too many requests show tokens that this process has not seen")
        try:
            with self._db.read_once() as conn:
                found = store.find(conn, set(token_ids))
        finally:
            self._semaphore.give()
        return [found[token_id] for token_id in token_ids]


def _caller(token: Token) -> Caller:
    return Caller(
        id=f"token:{token.id}",
        name=token.name,
        scopes=token.scopes,
        limits=token.limits,
        expires_at=token.expires_at,
        key_digest=domain.digest(f"id {token.id}".encode()),
    )


def _wanted() -> sqlalchemy.Select[Any]:
    """Return the tokens, each with whether it is revoked or expired."""
    ended = sqlalchemy.or_(
        tables.tokens.c.revoked_at.is_not(None), tables.tokens.c.expires_at <= sqlalchemy.func.statement_timestamp()
    )
    return sqlalchemy.select(tables.tokens, sqlalchemy.func.coalesce(ended, sqlalchemy.false()).label("is_ended"))


def page(db: Database, *, start: int, length: int) -> tuple[int, list[Token]]:
    """Return how many tokens there are, and some of them, the newest first."""
    order = tables.tokens.c.created_at.desc(), tables.tokens.c.id
    with long_read(db, if_beyond=start + length), db.read() as conn:
        count = conn.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(tables.tokens)).scalar_one()
        rows = conn.execute(_wanted().order_by(*order).offset(start).limit(length)).all()
    return count, [store.of(row) for row in rows]
