"""The one loop: something done again and again, by a thread, whatever happens."""

import logging
import random
import threading
from collections.abc import Callable

from app.infra.database import DatabaseError
from app.runners.sources import SourceAway

_log = logging.getLogger(__name__)


class Loop(threading.Thread):
    """Calls `tick` about every `interval_s` seconds until `stop()`. What a tick raises is logged, and ends nothing."""

    def __init__(self, name: str, *, interval_s: float, tick: Callable[[], object]) -> None:
        """Prepare the thread; `start()` it. It ends with the process."""
        super().__init__(name=name, daemon=True)
        self._interval_s, self._tick, self._stopped = interval_s, tick, threading.Event()

    def stop(self) -> None:
        """Let the loop end after the tick that runs."""
        self._stopped.set()

    def run(self) -> None:
        """Loop, with a tenth of jitter, so that many processes do not tick together."""
        while not self._stopped.wait(self._interval_s * random.uniform(0.9, 1.1)):  # noqa: S311 - no secret
            try:
                self._tick()
            except (DatabaseError, SourceAway) as error:
                _log.warning("tick_failed", extra={"loop": self.name, "cause": str(error)})
            except Exception:  # noqa: BLE001 - the loop: one bad tick must not be the last
                _log.exception("tick_failed", extra={"loop": self.name})
