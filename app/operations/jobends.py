"""Waiting for jobs to end, thousands at once: one statement asks for all of them, and waiting holds no connection.

Jobs that end announce nothing, so that they cost the same whether anybody waits or not.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence

from app.domain.job import Job, JobKey
from app.domain.states import FINAL
from app.infra import room
from app.infra.room import Reservation
from app.operations import operation
from app.operations.longpoll import CHECK_S
from app.postgres.database import Database, DatabaseError
from app.store import jobs

_log = logging.getLogger(__name__)
LOOK_S = 0.25
"""The interval of asking for all jobs that are waited for: so late a caller notices an end."""
RETRY_S = 1.0  # the same after an error of the database
AT_ONCE = 1_000  # jobs asked for by one statement


class JobEnds:
    """The callers that wait in this process; shared between its threads."""

    def __init__(self, db: Database) -> None:
        """Ask `db`, from a thread that the first caller starts."""
        self._db = db
        self._lock = threading.Lock()
        self._waiting: dict[JobKey, set[threading.Event]] = {}
        self._thread: threading.Thread | None = None
        self._joined = threading.Event()
        self._closed = threading.Event()

    def wait(
        self, look: Callable[[], Job], *, wait_ms: int, has_left: Callable[[], bool], held: Reservation | None = None
    ) -> Job:
        """Return the job that `look` reads, once it has ended, or after `wait_ms` as it is. Raises what `look` raises.

        It also returns when `has_left` says that the client has disconnected. Memory that `look` has reserved in `held`
        is free while it waits.
        """
        held = held or room.alone()
        ends_at = time.monotonic() + wait_ms / 1000
        while True:
            found = look()
            if found.status in FINAL or self._is_over(ends_at, has_left):
                return found
            key = JobKey(found.queue, found.number)
            del found  # it may be long, and many wait
            held.become(0)
            self._sleep(key, ends_at, has_left)

    def close(self) -> None:
        """End all waits, and let nobody wait from now on."""
        self._closed.set()
        self._joined.set()
        with self._lock:
            events = [event for those in self._waiting.values() for event in those]
        for event in events:
            event.set()

    def _is_over(self, ends_at: float, has_left: Callable[[], bool]) -> bool:
        return self._closed.is_set() or time.monotonic() >= ends_at or has_left()

    def _sleep(self, key: JobKey, ends_at: float, has_left: Callable[[], bool]) -> None:
        """Sleep until the job has ended or is gone, or the wait is over."""
        woken = threading.Event()
        self._join(key, woken)
        try:
            while not self._is_over(ends_at, has_left):
                if woken.wait(max(0.0, min(CHECK_S, ends_at - time.monotonic()))):
                    break
        finally:
            with self._lock:
                self._waiting[key].remove(woken)
                if not self._waiting[key]:
                    del self._waiting[key]

    def _join(self, key: JobKey, woken: threading.Event) -> None:
        with self._lock:
            self._waiting.setdefault(key, set()).add(woken)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ends", daemon=True)
                contextvars.Context().run(self._thread.start)  # without the request's id: the thread outlives it
        self._joined.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._joined.clear()
            with self._lock:
                waited = list(self._waiting)
            if waited:
                self._closed.wait(self._look(waited))
            else:
                self._joined.wait()

    def _look(self, waited: Sequence[JobKey]) -> float:
        """Wake those whose jobs have ended or are gone; return the seconds until the next time."""
        try:
            for start in range(0, len(waited), AT_ONCE):
                self._wake(ended(self._db, waited=waited[start : start + AT_ONCE]))
        except DatabaseError as error:  # they go on waiting: it may be back in time
            _log.warning("tick_failed", extra={"loop": "ends", "cause": str(error)})
            return RETRY_S
        return LOOK_S

    def _wake(self, keys: Sequence[JobKey]) -> None:
        with self._lock:
            events = [event for key in keys for event in self._waiting.get(key, ())]
        for event in events:
            event.set()


@operation
def ended(db: Database, *, waited: Sequence[JobKey]) -> list[JobKey]:
    """Return those of the jobs that have ended or do not exist. One statement."""
    with db.read_once() as conn:
        return jobs.ended(conn, waited)
