"""Looking unwoken, for all who wait in one process: by one statement, in however many queues they wait."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from app.domain.scan import HEAD, ScanCursor
from app.infra.database import Database, DatabaseError
from app.operations import operation
from app.store import jobs

_log = logging.getLogger(__name__)


class _Watched(NamedTuple):
    ring: Callable[[], None]
    cursor: ScanCursor | None


class Watch:
    """The queues in which somebody waits; shared between threads. What rings is an announcement, or a look."""

    def __init__(self, db: Database, *, poll_ms: int) -> None:
        """Watch nothing. `poll_ms`: how often to look while wake-ups are not heard, or while a look finds something."""
        self._db, self._poll_ms = db, poll_ms
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._bell = threading.Event()
        self._is_closed = False
        self._look_at = 0.0  # on the monotonic clock

    def add(self, queue: str, ring: Callable[[], None], *, cursor: ScanCursor | None = None) -> Callable[[], None]:
        """Have `ring`, which must not block, called when there may be a job; return what ends that. Once a queue.

        `cursor` is what who claims there remembers; without one the look is from the head of the line.
        """
        hush = self._db.listen(queue, ring)
        with self._lock:
            self._watched[queue] = _Watched(ring, cursor)
            if self._thread is None:
                self._look_at = time.monotonic() + self._poll_ms / 1000
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                contextvars.Context().run(self._thread.start)  # without the request's id, which it outlives
                self._db.hearing.on_loss(self._look_now)

        def remove() -> None:
            with self._lock:
                del self._watched[queue]
            hush()

        return remove

    def close(self) -> None:
        """Look no more."""
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
            # Where jobs are ready though somebody waits, what keeps them apart may end without a word.
            wait_ms = self._poll_ms if has_found else self._db.hearing.poll_ms(self._poll_ms)
            self._look_at = time.monotonic() + wait_ms / 1000

    def _look(self) -> bool:
        with self._lock:
            watched = dict(self._watched)
        if not watched:
            return False
        found = ready(self._db, cursors={queue: one.cursor for queue, one in watched.items()})
        for queue in found:
            watched[queue].ring()
        return bool(found)


@operation
def ready(db: Database, *, cursors: dict[str, ScanCursor | None]) -> list[str]:
    """Name those of the queues in which a job is ready or due. One statement."""
    now_s = time.monotonic()
    starts = {queue: cursor.start(now_s=now_s) if cursor else HEAD for queue, cursor in cursors.items()}
    with db.write_once() as conn:  # on the connections that a process at rest has
        return jobs.queues_with_ready(conn, starts=starts)
