"""A periodic loop in a thread, which goes on after errors."""

import logging
import random
import threading
from collections.abc import Callable

from app.postgres.database import DatabaseError

_log = logging.getLogger(__name__)


class Loop(threading.Thread):
    """Calls `tick` periodically until `stop()`. Exceptions of a tick are logged, and the loop goes on."""

    def __init__(
        self,
        name: str,
        *,
        tick: Callable[[], object],
        interval_s: float | Callable[[], float | None] | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
        expected: tuple[type[Exception], ...] = (DatabaseError,),
    ) -> None:
        """Prepare the thread; `start()` it. It ends with the process.

        `interval_s` is the time between ticks, to which jitter is added, or a function that returns it exactly; None:
        tick only after `hurry`. A tick is skipped if `is_wanted` returns False. Of `expected` errors only the
        message is logged.
        """
        super().__init__(name=name, daemon=True)
        self._interval_s, self._tick, self._is_wanted, self._expected = interval_s, tick, is_wanted, expected
        self._bell, self._is_stopped = threading.Event(), False

    def hurry(self) -> None:
        """Tick now, or once more after the running tick."""
        self._bell.set()

    def stop(self) -> None:
        """End the loop after the running tick."""
        self._is_stopped = True
        self._bell.set()

    def run(self) -> None:
        """Run the loop, with 10 % jitter, so that many processes do not tick at the same time."""
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
