"""Since when somebody has made the rounds: ticks that fell due before were missed, later ones are late at most."""

import time
from collections.abc import Callable

GAP_S = 5.0
"""After so long without a round of any process nobody was there."""


class Attendance:
    """What a process knows of the rounds of all processes: whether there was a gap. Begins when it is made."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = self._known_at = clock()
        self._clocks: tuple[float, int] | None = (
            None  # of the last round of this process: the monotonic one, PostgreSQL's
        )
        self.since_ms: int | None = None
        """Since when somebody has been there, in ms by the clock of PostgreSQL; None before the first round."""

    def hear(self) -> None:
        """Note a round of another process."""
        self._known_at = self._clock()

    def look(self, now_ms: int, *, is_beside: bool) -> None:
        """Note a round of this process, when the clock of PostgreSQL said `now_ms`.

        `is_beside`: it relies on another process, whose rounds it may not have heard.
        """
        now = self._clock()
        if self._has_jumped(now, now_ms) or (not is_beside and now - self._known_at > GAP_S):
            self._since = now
        self._known_at, self._clocks = now, (now, now_ms)
        self.since_ms = now_ms - round((now - self._since) * 1000)

    def _has_jumped(self, now: float, now_ms: int) -> bool:
        """Whether one of the clocks stood still or was set: the machine may have slept."""
        if self._clocks is None:
            return False
        then, then_ms = self._clocks
        return abs((now_ms - then_ms) / 1000 - (now - then)) > GAP_S
