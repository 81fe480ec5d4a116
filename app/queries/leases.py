"""Reads of leases."""

from collections.abc import Sequence

from app.domain.errors import Unauthorized
from app.infra.semaphore import FairSemaphore
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import Database, DatabaseError
from app.store import leases
from app.store.leases import PresentedToken

TOGETHER_MAX = 1_000
_ALL = "all"


class Holders:
    """Checks whether attempts hold their jobs; concurrent calls share a statement, and one statement runs at a time.

    So unauthenticated clients that guess tokens use at most one connection, and delay others by one statement.
    """

    def __init__(self, db: Database, *, wait_ms: int) -> None:
        """`wait_ms`: the longest wait for a running statement."""
        self._db, self._wait_s = db, wait_ms / 1000
        self._semaphore = FairSemaphore(1)
        self._coalescer: RequestCoalescer[PresentedToken, bool] = RequestCoalescer(
            self._held, max_batch=TOGETHER_MAX, abort_error=DatabaseError
        )

    def require(self, *, queue: str, job_id: str, token: str) -> None:
        """Require that `token` holds the job now. Raises Unauthorized, DatabaseError."""
        if not self._coalescer.submit(_ALL, PresentedToken(queue, job_id, token)):
            raise Unauthorized("the token of the running attempt is required: Authorization: Bearer <token>")

    def _held(self, _topic: str, shown: Sequence[PresentedToken]) -> list[bool]:
        if not self._semaphore.take(timeout_s=self._wait_s):
            raise DatabaseError("too many requests check the tokens of attempts")
        try:
            with self._db.read_once() as conn:
                return leases.held(conn, shown)
        finally:
            self._semaphore.give()
