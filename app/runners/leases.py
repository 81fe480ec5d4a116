"""The leases that a worker holds, and the heartbeat that keeps them."""

import logging
import threading
from collections.abc import Iterable

from app.domain.job import Lease, LeaseKey
from app.infra.database import Database
from app.infra.settings import Settings
from app.operations import settle
from app.runners.loop import Loop

_log = logging.getLogger(__name__)
BEATS_A_LEASE = 3


class Held:
    """The leases of one worker on one queue; shared between its threads."""

    def __init__(self, settings: Settings, db: Database, *, queue: str) -> None:
        """Hold none yet."""
        self._db, self._queue, self._lease_ms = db, queue, settings.lease_ms
        self._keys: dict[int, LeaseKey] = {}
        self._lock = threading.Lock()

    def add(self, leases: Iterable[Lease]) -> None:
        """Keep these leases alive from now on."""
        with self._lock:
            self._keys |= {lease.job.number: lease.key for lease in leases}

    def drop(self, numbers: Iterable[int]) -> None:
        """Let these leases be."""
        with self._lock:
            for number in numbers:
                self._keys.pop(number, None)

    def beat(self) -> None:
        """Renew all leases in one statement. Raises DatabaseError. A lost one is logged once and let be."""
        with self._lock:
            keys = list(self._keys.values())
        if not keys:
            return
        kept = settle.extend(self._db, queue=self._queue, held=keys, lease_ms=self._lease_ms)
        lost = [key for key in keys if key.number not in kept]
        with self._lock:
            lost = [key for key in lost if self._keys.get(key.number) == key]  # not settled in the meantime
        for key in lost:
            _log.warning("lease_lost", extra={"queue": self._queue, "job": key.number})
        self.drop(key.number for key in lost)

    def heartbeat(self) -> Loop:
        """Make the loop that renews the leases often enough."""
        return Loop("heartbeat", interval_s=self._lease_ms / 1000 / BEATS_A_LEASE, tick=self.beat)
