"""The limits of API tokens. Rates are kept by each API process by itself."""

import contextlib
import time
from collections.abc import Iterator

from flask import current_app

from app.domain.errors import OverQuota
from app.domain.tokens import Caller
from app.infra import callers
from app.infra.semaphore import FairSemaphore
from app.postgres.database import Connection, Database
from app.queries import jobs

BURST_S = 1.0
"""What a token may use within so many seconds, it may use at once."""
KEPT_MAX = 20_000
ROUNDING_S = 1e-6
PLACES = "rowline-places"
"""The key of the places for requests that wait, among the application's extensions."""
PLACE_S = 1.0
"""After how many seconds to ask again for a place to wait."""
WAITING_S = 5.0
"""After how many seconds to look again whether fewer jobs wait."""


class Quotas:
    """How much of its rates each token has used. For the greenlets of one thread."""

    def __init__(self) -> None:
        """Start with all of every rate."""
        self._used_until: dict[tuple[str, str], float] = {}
        """On the monotonic clock: all of a rate until then is used; more of the past than BURST_S is forgotten."""

    def take_request(self, caller: Caller) -> None:
        """Count a request. Raises OverQuota."""
        if caller.limits.requests_per_s is not None:
            self._take(caller, "requests", caller.limits.requests_per_s, 1)

    def take_jobs(self, caller: Caller, number: int) -> None:
        """Count jobs to be added. A request with more than a second's share needs all of it. Raises OverQuota."""
        if caller.limits.jobs_per_s is not None and number:
            self._take(caller, "jobs", caller.limits.jobs_per_s, number)

    def _take(self, caller: Caller, what: str, per_s: int, number: int) -> None:
        key, now = (caller.id, what), time.monotonic()
        used_until = max(self._used_until.get(key, 0.0), now - BURST_S)
        wait_s = used_until + min(number / per_s, BURST_S) - now
        if wait_s > ROUNDING_S:
            raise OverQuota(f"the token may use {per_s} {what} a second", retry_after_s=wait_s)
        self._used_until[key] = used_until + number / per_s
        if len(self._used_until) > KEPT_MAX:
            self._used_until = {key: at for key, at in self._used_until.items() if at > now - BURST_S}


class Places:
    """The connections on which requests wait for something to happen; one token gets three quarters at most."""

    def __init__(self, clients: int) -> None:
        """Share out the connections of a process."""
        self._places = FairSemaphore(clients)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the block. Raises OverQuota."""
        caller = callers.current.get()
        if not self._places.take(holder=caller):
            message = "so many requests of the token wait that few connections are left to others: let fewer wait"
            raise OverQuota(message, retry_after_s=PLACE_S)
        try:
            yield
        finally:
            self._places.give(holder=caller)


def place(wait_ms: int) -> contextlib.AbstractContextManager[None]:
    """Return the block of a request that waits so long at most: it takes a place then, or raises OverQuota."""
    places: Places = current_app.extensions[PLACES]
    return places.taken() if wait_ms else contextlib.nullcontext()


class Admission:
    """Whether a token may add the jobs of one request. A transaction that is tried again pays for them once."""

    def __init__(self, quotas: Quotas, caller: Caller, *, queue: str, number: int) -> None:
        """Admit `number` jobs to `queue`."""
        self._quotas, self._caller = quotas, caller
        self._queue, self._number = queue, number
        self._is_paid = False

    def require_alone(self, db: Database) -> None:
        """Do what `require` does without a transaction: only a limit of waiting jobs needs a connection."""
        if self._caller.limits.waiting_jobs is None:
            self._pay()
            return
        with db.read_once() as conn:
            self.require(conn)

    def require(self, conn: Connection) -> None:
        """Require that the jobs are within the limits; count them over `conn`. Raises OverQuota, DatabaseError."""
        if self._caller.limits.waiting_jobs is not None:
            _require_waiting_below(self._caller, jobs.waiting(conn, queue=self._queue), self._number)
        self._pay()

    def _pay(self) -> None:
        if not self._is_paid:
            self._quotas.take_jobs(self._caller, self._number)
        self._is_paid = True


def _require_waiting_below(caller: Caller, waiting: int, number: int) -> None:
    """Require that a queue with `waiting` jobs may get `number` more. Raises OverQuota."""
    limit = caller.limits.waiting_jobs
    if limit is not None and waiting + number > limit:
        message = (
            f"the token may add jobs up to {limit} that wait in a queue: {waiting} do, and {number} would join them"
        )
        raise OverQuota(message, retry_after_s=WAITING_S)
