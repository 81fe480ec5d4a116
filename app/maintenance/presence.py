"""Writes which workers this process sees, each WRITTEN_EACH_S: for those who ask who works now."""

import contextlib
import logging
import random
import threading
import uuid
from collections.abc import Callable, Iterator

from app.domain.workers import WRITTEN_EACH_S, Sighting
from app.maintenance.loop import Loop
from app.operations import workers
from app.postgres.database import Database, DatabaseError

_log = logging.getLogger(__name__)
LOOK_S = 1.0


@contextlib.contextmanager
def shown(db: Database, sightings: Callable[[], list[Sighting]]) -> Iterator[None]:
    """Write whom this process sees, until the end of the block."""
    presence = Presence(db, sightings)
    presence.start()
    try:
        yield
    finally:
        presence.leave()


class Presence:
    """The rows of one process. A process that sees nobody, and has written nobody, sends no statement."""

    def __init__(self, db: Database, sightings: Callable[[], list[Sighting]]) -> None:
        """Prepare; `start()` it. `sightings` returns whom the process sees; it is called by another thread."""
        self._db, self._sightings = db, sightings
        self._process = str(uuid.uuid4())  # its rows are those of no other process, whatever that one is called
        self._written: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._has_left = False
        self.loop = Loop("workers", interval_s=self._pause_s, tick=self.write)

    def start(self) -> None:
        """Write now, and again and again."""
        self.loop.start()
        self.loop.hurry()

    def write(self) -> None:
        """Write whom the process sees now. Raises DatabaseError."""
        with self._lock:
            if not self._has_left:
                self._write(self._sightings())

    def leave(self) -> None:
        """Write no more, and delete what was written: the process stops in order. Raises nothing."""
        self.loop.stop()
        with self._lock:
            self._has_left = True
            try:
                self._write([])
            except DatabaseError as error:  # what is left does not count after a minute
                _log.warning("tick_failed", extra={"loop": self.loop.name, "cause": str(error)})

    def _pause_s(self) -> float:
        """Look often for the first worker: that sends no statement, and who comes alone is shown soon."""
        return WRITTEN_EACH_S * random.uniform(0.9, 1.1) if self._written else LOOK_S  # noqa: S311 - no secret

    def _write(self, sightings: list[Sighting]) -> None:
        now = {(one.queue, one.worker) for one in sightings}
        if not now and not self._written:
            return
        gone = self._written - now
        self._written |= now  # before it is known whether they are: an outcome may stay unknown
        workers.note(self._db, process=self._process, sightings=sightings, gone=gone)
        self._written = now
