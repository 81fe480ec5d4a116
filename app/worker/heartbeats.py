"""The leases that a worker holds, and the heartbeat that extends them."""

import logging
import threading
from collections.abc import Callable, Iterable

from app.domain.job import ClaimedJob, Extended, LeaseKey
from app.infra.settings import Settings
from app.maintenance.loop import Loop
from app.postgres.database import DatabaseError
from app.worker.sources import Source, SourceUnavailable

_log = logging.getLogger(__name__)
BEATS_A_LEASE = 3
EXTENDED_AT_ONCE = 500  # leases extended in one statement


class HeldLeases:
    """The leases of one worker on one queue; shared between its threads."""

    def __init__(self, source: Source, *, queue: str) -> None:
        """Start without leases. `source` extends them; `queue` is for the log."""
        self._source, self._queue = source, queue
        self._taken: dict[str, ClaimedJob] = {}  # by token: a job may be claimed again while its lost lease is held
        self._lock = threading.Lock()

    def add(self, taken: Iterable[ClaimedJob]) -> None:
        """Extend these leases from now on."""
        with self._lock:
            self._taken |= {job.key.token: job for job in taken}

    def drop(self, leases: Iterable[LeaseKey]) -> None:
        """Extend these leases no more."""
        with self._lock:
            for key in leases:
                self._taken.pop(key.token, None)

    def lose(self, leases: Iterable[LeaseKey]) -> None:
        """Extend these leases no more, because they are lost; each is logged once."""
        with self._lock:
            lost = [job for key in leases if (job := self._taken.pop(key.token, None))]
        for job in lost:
            _log.warning("lease_lost", extra={"queue": self._queue, "job": job.id})

    def lose_all(self) -> None:
        """Lose the leases that are left."""
        with self._lock:
            left = [job.key for job in self._taken.values()]
        self.lose(left)

    def __contains__(self, token: str) -> bool:
        """Whether the lease of this token is held, as far as this process knows."""
        with self._lock:
            return token in self._taken

    def beat(self) -> set[str]:
        """Extend all; return the tokens of attempts that must stop: lost, or cancelled. Raises SourceUnavailable."""
        with self._lock:
            keys = [job.key for job in self._taken.values()]
        if not keys:
            return set()
        kept: dict[int, Extended] = {}
        for start in range(0, len(keys), EXTENDED_AT_ONCE):
            kept |= self._source.extend(keys[start : start + EXTENDED_AT_ONCE])
        lost = [key for key in keys if key.number not in kept]
        self.lose(lost)
        return {key.token for key in keys if key.number not in kept or kept[key.number].is_cancelled}


def heartbeat(settings: Settings, tick: Callable[[], None]) -> Loop:
    """Make the loop that calls `tick` BEATS_A_LEASE times per lease."""
    return Loop(
        "heartbeat",
        interval_s=settings.lease_ms / 1000 / BEATS_A_LEASE,
        tick=tick,
        expected=(DatabaseError, SourceUnavailable),
    )
