"""What may be known of leases."""

from app.domain.errors import Unauthorized
from app.infra.database import Database, DatabaseError
from app.infra.turns import Turns
from app.store import leases


class Holders:
    """Tells whether attempts hold their jobs, one at a time: strangers who guess keep one connection, and no more."""

    def __init__(self, db: Database, *, turn_ms: int) -> None:
        """`turn_ms`: the longest wait for one's turn."""
        self._db, self._turn_s = db, turn_ms / 1000
        self._turns = Turns(1)

    def require(self, *, queue: str, job_id: str, token: str) -> None:
        """Require that `token` holds the job now. Raises Unauthorized, DatabaseError."""
        if not self._turns.take(timeout_s=self._turn_s):
            raise DatabaseError("too many ask for the job of their attempt's token")
        try:
            with self._db.read_once() as conn:
                is_held = leases.is_held(conn, queue=queue, job_id=job_id, token=token)
        finally:
            self._turns.give()
        if not is_held:
            raise Unauthorized("the token of the attempt that runs is needed: Authorization: Bearer <token>")
