"""Polling for all claims that wait in one process: one statement, whatever the number of queues."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from app.domain.scan import HEAD, ScanCursor
from app.operations import operation
from app.postgres.database import Database, DatabaseError
from app.store import jobs

_log = logging.getLogger(__name__)


class _Watched(NamedTuple):
    on_wake: Callable[[], None]
    cursor: ScanCursor | None


class Watch:
    """The queues in which claims wait; shared between threads. A NOTIFY or a poll that finds a job wakes them."""

    def __init__(self, db: Database, *, poll_ms: int) -> None:
        """Take `poll_ms`: the interval of polling while NOTIFYs do not arrive, or while a poll finds ready jobs."""
        self._db, self._poll_ms = db, poll_ms
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._bell = threading.Event()
        self._is_closed = False
        self._look_at = 0.0  # on the monotonic clock

    def add(self, queue: str, on_wake: Callable[[], None], *, cursor: ScanCursor | None = None) -> Callable[[], None]:
        """Call `on_wake`, which must not block, when there may be a job. Once per queue. Return what ends that.

        `cursor` is the position of the claims of this queue; without one the scan starts at the head of the queue.
        """
        unsubscribe = self._db.listen(queue, on_wake)
        with self._lock:
            self._watched[queue] = _Watched(on_wake, cursor)
            if self._thread is None:
                self._look_at = time.monotonic() + self._poll_ms / 1000
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                contextvars.Context().run(
                    self._thread.start
                )  # in a context without the request's id: the thread outlives it
                self._db.wakeups.on_loss(self._look_now)

        def remove() -> None:
            with self._lock:
                del self._watched[queue]
            unsubscribe()

        return remove

    def close(self) -> None:
        """Stop polling."""
        self._is_closed = True
        self._bell.set()

    def _look_now(self) -> None:
        self._look_at = 0.0
        self._bell.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._bell.wait(max(0.0, self._look_at - time.monotonic()))
            self._bell.clear()
            if self._is_closed or time.monotonic() < self._look_at:
                continue
            try:
                has_found = self._look()
            except DatabaseError as error:
                has_found = True
                _log.warning("tick_failed", extra={"loop": "watch", "cause": str(error)})
            # Jobs are ready though claims wait: locks may keep them apart, and no NOTIFY says when those end.
            wait_ms = self._poll_ms if has_found else self._db.wakeups.poll_ms(self._poll_ms)
            self._look_at = time.monotonic() + wait_ms / 1000

    def _look(self) -> bool:
        with self._lock:
            watched = dict(self._watched)
        if not watched:
            return False
        found = ready(self._db, cursors={queue: one.cursor for queue, one in watched.items()})
        for queue in found:
            watched[queue].on_wake()
        return bool(found)


@operation
def ready(db: Database, *, cursors: dict[str, ScanCursor | None]) -> list[str]:
    """Return those of the queues that have a job that is ready or due. One statement."""
    now_s = time.monotonic()
    starts = {queue: cursor.start(now_s=now_s) if cursor else HEAD for queue, cursor in cursors.items()}
    with db.write_once() as conn:  # on a connection that an idle process keeps open
        return jobs.queues_with_ready(conn, starts=starts)
