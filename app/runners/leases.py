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
        self._keys: dict[str, LeaseKey] = {}  # by token: a job may be claimed again while its lost lease is held
        self._lock = threading.Lock()

    def add(self, leases: Iterable[Lease]) -> None:
        """Keep these leases alive from now on."""
        with self._lock:
            self._keys |= {lease.token: lease.key for lease in leases}

    def drop(self, leases: Iterable[LeaseKey]) -> None:
        """Let these leases be."""
        with self._lock:
            for key in leases:
                self._keys.pop(key.token, None)

    def __contains__(self, token: str) -> bool:
        """Say whether the lease of this token is held, as far as we know."""
        with self._lock:
            return token in self._keys

    def beat(self) -> set[str]:
        """Renew all leases in one statement; return the tokens of those whose jobs somebody wants to stop.

        Raises DatabaseError. A lost lease is logged once and let be.
        """
        with self._lock:
            keys = list(self._keys.values())
        if not keys:
            return set()
        kept = settle.extend(self._db, queue=self._queue, held=keys, lease_ms=self._lease_ms)
        with self._lock:
            lost = [key for key in keys if key.number not in kept and key.token in self._keys]
            for key in lost:
                del self._keys[key.token]
        for key in lost:
            _log.warning("lease_lost", extra={"queue": self._queue, "job": key.number})
        return {key.token for key in keys if key.number in kept and kept[key.number].is_cancelled}

    def heartbeat(self) -> Loop:
        """Make the loop that renews the leases often enough."""
        return Loop("heartbeat", interval_s=self._lease_ms / 1000 / BEATS_A_LEASE, tick=self.beat)
