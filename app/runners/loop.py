"""The one loop: something done again and again, by a thread, whatever happens."""

import logging
import random
import threading
from collections.abc import Callable

from app.infra.database import DatabaseError

_log = logging.getLogger(__name__)


class Loop(threading.Thread):
    """Calls `tick` again and again until `stop()`. What a tick raises is logged, and ends nothing."""

    def __init__(
        self,
        name: str,
        *,
        tick: Callable[[], object],
        interval_s: float | Callable[[], float] | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
        expected: tuple[type[Exception], ...] = (DatabaseError,),
    ) -> None:
        """Prepare the thread; `start()` it. It ends with the process.

        `interval_s` is about how long to wait for the next tick, or says exactly how long; None: until `hurry`. A tick
        for which it is not `is_wanted` is left out. Of errors that are `expected` the log says the cause alone.
        """
        super().__init__(name=name, daemon=True)
        self._interval_s, self._tick, self._is_wanted, self._expected = interval_s, tick, is_wanted, expected
        self._bell, self._is_stopped = threading.Event(), False

    def hurry(self) -> None:
        """Tick now, or once more after the tick that runs."""
        self._bell.set()

    def stop(self) -> None:
        """Let the loop end after the tick that runs."""
        self._is_stopped = True
        self._bell.set()

    def run(self) -> None:
        """Loop, with a tenth of jitter, so that many processes do not tick together."""
        while True:
            self._bell.wait(self._pause_s())
            self._bell.clear()
            if self._is_stopped:
                return
            try:
                if self._is_wanted():
                    self._tick()
            except self._expected as error:
                _log.warning("tick_failed", extra={"loop": self.name, "cause": str(error)})
            except Exception:  # noqa: BLE001 - the loop: one bad tick must not be the last
                _log.exception("tick_failed", extra={"loop": self.name})

    def _pause_s(self) -> float | None:
        if self._interval_s is None or callable(self._interval_s):
            return self._interval_s and self._interval_s()
        return self._interval_s * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
