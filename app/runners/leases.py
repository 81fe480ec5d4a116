"""The leases that a worker holds, and the heartbeat that keeps them."""

import logging
import threading
from collections.abc import Callable, Iterable

from app.domain.job import Extended, LeaseKey, Taken
from app.infra.database import DatabaseError
from app.infra.settings import Settings
from app.runners.loop import Loop
from app.runners.sources import Source, SourceUnavailable

_log = logging.getLogger(__name__)
BEATS_A_LEASE = 3
EXTENDED_AT_ONCE = 500  # the statement compares all of them with all


class Held:
    """The leases of one worker on one queue; shared between its threads."""

    def __init__(self, source: Source, *, queue: str) -> None:
        """Hold none yet."""
        self._source, self._queue = source, queue
        self._taken: dict[str, Taken] = {}  # by token: a job may be claimed again while its lost lease is held
        self._lock = threading.Lock()

    def add(self, taken: Iterable[Taken]) -> None:
        """Keep these leases alive from now on."""
        with self._lock:
            self._taken |= {job.key.token: job for job in taken}

    def drop(self, leases: Iterable[LeaseKey]) -> None:
        """Let these leases be."""
        with self._lock:
            for key in leases:
                self._taken.pop(key.token, None)

    def lose(self, leases: Iterable[LeaseKey]) -> None:
        """Let these leases be, which somebody else ended: each is logged once."""
        with self._lock:
            lost = [job for key in leases if (job := self._taken.pop(key.token, None))]
        for job in lost:
            _log.warning("lease_lost", extra={"queue": self._queue, "job": job.id})

    def __contains__(self, token: str) -> bool:
        """Say whether the lease of this token is held, as far as we know."""
        with self._lock:
            return token in self._taken

    def beat(self) -> set[str]:
        """Renew all; return the tokens of attempts that must stop: lost, or cancelled. Raises SourceUnavailable."""
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
    """Make the loop that calls `tick` often enough to keep leases."""
    return Loop(
        "heartbeat",
        interval_s=settings.lease_ms / 1000 / BEATS_A_LEASE,
        tick=tick,
        expected=(DatabaseError, SourceUnavailable),
    )
