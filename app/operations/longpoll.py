"""Long-polling claims, hundreds at once: waiting holds no connection, and one claim per queue scans at a time."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

from app.domain.errors import NoRoom
from app.domain.job import Lease, Release
from app.domain.scan import ScanCursors
from app.infra import callers, room
from app.infra.room import Reservation
from app.infra.semaphore import FairSemaphore
from app.operations import claim, settle
from app.operations.claim import Ask, Claimed
from app.operations.watch import Watch
from app.postgres.database import Database, DatabaseError

KEPT_SHARE = 4
"""One in so many connections is reserved for settling: otherwise waiting claims could use all of them."""
CHECK_S = 2.0
"""How often a waiting claim, or whoever waits for the end of a job, checks whether its client has left."""

_NOTHING = Claimed(leases=[], next_due_ms=None)


class _Line:
    """The claims that wait in one queue, in the order of their arrival; the first one scans for all."""

    def __init__(self) -> None:
        self.waiters: deque[threading.Event] = deque()
        self.unsubscribe: Callable[[], None] | None = None

    def wake(self) -> None:
        """Wake the first claim. It wakes the next one when it leaves: one NOTIFY wakes as many as there are jobs."""
        with contextlib.suppress(IndexError):
            self.waiters[0].set()


class Waiting:
    """The claims that wait in this process; shared between its threads."""

    def __init__(self, db: Database, *, poll_ms: int, wait_ms: int) -> None:
        """Take `poll_ms` as Watch does; `wait_ms` is the longest wait of a claim for a database connection."""
        self.cursors = ScanCursors()
        self._db, self._wait_s = db, wait_ms / 1000
        self._watch = Watch(db, poll_ms=poll_ms)
        self._semaphore = FairSemaphore(db.size - db.size // KEPT_SHARE)
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._closed = False

    def claim(
        self, *, queue: str, ask: Ask, wait_ms: int, has_left: Callable[[], bool], held: Reservation | None = None
    ) -> list[Lease]:
        """Lease the jobs asked for, waiting up to `wait_ms` for the first one. Raises DatabaseError, NoRoom.

        `has_left` returns whether the client has disconnected, or may not wait any more: then no job is leased, and the
        wait ends within CHECK_S. `held` reserves memory for the jobs returned.
        """
        held = held or room.alone()
        ends_at = time.monotonic() + wait_ms / 1000
        if not wait_ms:
            return self._look(queue, ask, has_left, held).leases
        woken = threading.Event()
        line = self._join(queue, woken)
        try:
            while True:
                found = self._look(queue, ask, has_left, held)
                # A client that has left must not stay first: only the first one is woken.
                if found.leases or self._closed or has_left() or time.monotonic() >= ends_at:
                    return found.leases
                self._sleep(line, woken, ends_at, found.next_due_ms, has_left)
        finally:
            self._leave(queue, line, woken)

    def close(self) -> None:
        """End all waits, and let no claim wait from now on."""
        self._closed = True
        self._watch.close()
        with self._lock:
            waiters = [woken for line in self._lines.values() for woken in line.waiters]
        for woken in waiters:
            woken.set()

    def _look(self, queue: str, ask: Ask, has_left: Callable[[], bool], held: Reservation) -> Claimed:
        if not held.await_claim():
            raise NoRoom
        caller = callers.current.get()
        if not self._semaphore.take(holder=caller, timeout_s=self._wait_s):
            raise DatabaseError("all database connections that claims may have are in use")
        try:
            if has_left() or not (max_bytes := held.for_claim()):  # it may have left during the wait for a connection
                return _NOTHING
            found = claim.claim(
                self._db,
                queue=queue,
                limit=ask.limit,
                lease_ms=ask.lease_ms,
                worker=ask.worker,
                max_bytes=max_bytes,
                cursor=self.cursors.of(queue),
            )
        finally:
            self._semaphore.give(holder=caller)
        if found.leases and has_left():
            found = self._handed_back(queue, found)
        if not found.leases:
            held.become(0)
        return found

    def _handed_back(self, queue: str, found: Claimed) -> Claimed:
        """Release jobs whose client has left. If that fails, return them: a half-closed client can still read them."""
        try:
            settle.release(self._db, queue=queue, releases=[Release(lease=lease.key) for lease in found.leases])
        except DatabaseError:
            return found
        return _NOTHING

    def _sleep(
        self,
        line: _Line,
        woken: threading.Event,
        ends_at: float,
        next_due_ms: int | None,
        has_left: Callable[[], bool],
    ) -> None:
        """Sleep until there may be a job, or the wait is over, or the client has left."""
        wakes_at = time.monotonic() + self._pause_s(line, woken, ends_at, next_due_ms)
        while not woken.wait(max(0.0, min(CHECK_S, wakes_at - time.monotonic()))):
            if time.monotonic() >= wakes_at or has_left():
                break
        woken.clear()

    def _pause_s(self, line: _Line, woken: threading.Event, ends_at: float, next_due_ms: int | None) -> float:
        """Return the seconds to sleep: until the end of the wait, or, for the first claim, until a job is due."""
        left_s = max(0.0, ends_at - time.monotonic())
        if next_due_ms is None or not line.waiters or line.waiters[0] is not woken:
            return left_s
        return min(left_s, claim.pause_s(next_due_ms, poll_ms=next_due_ms))

    def _join(self, queue: str, woken: threading.Event) -> _Line:
        with self._lock:
            line = self._lines.setdefault(queue, _Line())
            line.waiters.append(woken)
            if line.unsubscribe is None:
                line.unsubscribe = self._watch.add(queue, line.wake, cursor=self.cursors.of(queue))
            return line

    def _leave(self, queue: str, line: _Line, woken: threading.Event) -> None:
        with self._lock:
            line.waiters.remove(woken)
            if not line.waiters:
                del self._lines[queue]
                assert line.unsubscribe is not None
                line.unsubscribe()
        line.wake()
