"""The leases that a worker holds, and the heartbeat that keeps them."""

import logging
import threading
from collections.abc import Callable, Iterable

from app.domain.job import LeaseKey
from app.infra.settings import Settings
from app.runners.loop import Loop
from app.runners.sources import Source, Taken

_log = logging.getLogger(__name__)
BEATS_A_LEASE = 3


class Held:
    """The leases of one worker on one queue; shared between its threads."""

    def __init__(self, settings: Settings, source: Source, *, queue: str, ring: Callable[[], None]) -> None:
        """Hold none yet. `ring` is called, by any thread, when there is something in `stopped`."""
        self._ring = ring
        self._stopped: set[str] = set()  # tokens
        self._source, self._queue, self._lease_ms = source, queue, settings.lease_ms
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

    def beat(self) -> None:
        """Renew all leases. Raises SourceAway."""
        with self._lock:
            keys = [job.key for job in self._taken.values()]
        if keys:
            kept = self._source.extend(keys)
            lost = [key for key in keys if key.number not in kept]
            self.lose(lost)
            cancelled = [key for key in keys if key.number in kept and kept[key.number].is_cancelled]
            with self._lock:
                self._stopped |= {key.token for key in (*lost, *cancelled)}
            if lost or cancelled:
                self._ring()

    def stopped(self) -> set[str]:
        """Return, once, the tokens of attempts that need not go on: cancelled, or lost."""
        with self._lock:
            found, self._stopped = self._stopped, set()
        return found

    def heartbeat(self) -> Loop:
        """Make the loop that renews the leases often enough."""
        return Loop("heartbeat", interval_s=self._lease_ms / 1000 / BEATS_A_LEASE, tick=self.beat)
