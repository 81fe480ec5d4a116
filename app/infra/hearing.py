"""Whether wake-ups are heard, so that who waits for one may look by itself more seldom.

It is proved by pulses: NOTIFYs that one process of the service sends twice a second, by another connection than the one
that listens, and each process when it has heard none for a while. A pulse that comes back proves the whole way.
"""

import threading
import time
from collections.abc import Callable

PULSE = "/pulse"  # the topic of pulses; no queue can be called so
HEARD_FOR_S = 3.0
"""For which a pulse is a proof: some that are late or lost make nobody look more often."""
SELDOM = 10
"""How many times as seldom who waits looks by itself while wake-ups are heard."""


class Hearing:
    """What one process knows of it; shared between its threads. At first nothing is proved."""

    def __init__(self) -> None:
        """Begin deaf."""
        self._lock = threading.Lock()
        self._proved_until = 0.0  # on the monotonic clock
        self._is_deaf = True  # as far as those know who asked to be told
        self._on_loss: list[Callable[[], None]] = []

    @property
    def is_proved(self) -> bool:
        """Whether a pulse was heard lately."""
        return time.monotonic() < self._proved_until

    def prove(self) -> None:
        """Note that a pulse was heard now."""
        self._proved_until = time.monotonic() + HEARD_FOR_S
        self._is_deaf = False

    def lose(self) -> None:
        """Note that the connection that listens is gone; tell those who rely on it, once."""
        self._proved_until = 0.0
        self.check()

    def check(self) -> None:
        """Tell those who rely on wake-ups, once, when they are not heard any more: some may have been missed."""
        with self._lock:
            if self._is_deaf or self.is_proved:
                return
            self._is_deaf = True
            told = list(self._on_loss)
        for on_loss in told:
            on_loss()

    def on_loss(self, look: Callable[[], None]) -> None:
        """Have `look`, which must not block, called whenever wake-ups are not heard any more."""
        with self._lock:
            self._on_loss.append(look)

    def poll_ms(self, poll_ms: int) -> int:
        """Say how often who waits looks by itself, where it is each `poll_ms` while it hears nothing."""
        return poll_ms * SELDOM if self.is_proved else poll_ms
