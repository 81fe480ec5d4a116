"""What may be known of leases."""

from collections.abc import Sequence

from app.domain.errors import Unauthorized
from app.infra.coalescer import RequestCoalescer
from app.infra.database import Database, DatabaseError
from app.infra.semaphore import FairSemaphore
from app.store import leases
from app.store.leases import Shown

TOGETHER_MOST = 1_000
_ALL = "all"


class Holders:
    """Tells whether attempts hold their jobs: of all that ask at the same moment by one statement, one after the other.

    Strangers who guess tokens keep one connection, and no more, and nobody waits longer for them than for a statement.
    """

    def __init__(self, db: Database, *, wait_ms: int) -> None:
        """`wait_ms`: the longest wait for the statements of others."""
        self._db, self._wait_s = db, wait_ms / 1000
        self._semaphore = FairSemaphore(1)
        self._coalescer: RequestCoalescer[Shown, bool] = RequestCoalescer(
            self._held, most=TOGETHER_MOST, broken_off=DatabaseError
        )

    def require(self, *, queue: str, job_id: str, token: str) -> None:
        """Require that `token` holds the job now. Raises Unauthorized, DatabaseError."""
        if not self._coalescer.ask(_ALL, Shown(queue, job_id, token)):
            raise Unauthorized("the token of the running attempt is required: Authorization: Bearer <token>")

    def _held(self, _topic: str, shown: Sequence[Shown]) -> list[bool]:
        if not self._semaphore.take(timeout_s=self._wait_s):
            raise DatabaseError("too many ask for the job of their attempt's token")
        try:
            with self._db.read_once() as conn:
                return leases.held(conn, shown)
        finally:
            self._semaphore.give()
