"""Monitors whether NOTIFYs reach this process: while they do, waiting processes can poll less often.

The proof are pulses: NOTIFYs that one process of the service sends twice a second, over another connection than the one
that listens. A process that has received none for a while sends its own. A pulse that arrives proves the whole path.
"""

import threading
import time
from collections.abc import Callable

PULSE = "/pulse"  # the topic of pulses; no valid queue name has a slash
PROOF_S = 3.0
"""How long a pulse proves that NOTIFYs arrive: several intervals, so that single late or lost ones do no harm."""
SELDOM = 10
"""While NOTIFYs arrive, the interval of polling is so many times longer."""


class WakeupMonitor:
    """Whether NOTIFYs reach this process; shared between its threads. Nothing is proved at first."""

    def __init__(self) -> None:
        """Start without proof."""
        self._lock = threading.Lock()
        self._proved_until = 0.0  # on the monotonic clock
        self._is_lost = True  # whether the loss was reported to `on_loss` callbacks, or nothing was proved yet
        self._on_loss: list[Callable[[], None]] = []
        self.round_trip_s: float | None = None
        """How long the last pulse of this process took to come back to it; None: none did, or another sends them."""

    @property
    def is_proved(self) -> bool:
        """Whether a pulse arrived within the last PROOF_S."""
        return time.monotonic() < self._proved_until

    def prove(self) -> None:
        """Note that a pulse has arrived now."""
        self._proved_until = time.monotonic() + PROOF_S
        self._is_lost = False

    def lose(self) -> None:
        """Note that the listening connection is lost; run the `on_loss` callbacks, once."""
        self._proved_until = 0.0
        self.check()

    def check(self) -> None:
        """Run the `on_loss` callbacks, once, if pulses no longer arrive: NOTIFYs may have been missed."""
        with self._lock:
            if self._is_lost or self.is_proved:
                return
            self._is_lost = True
            callbacks = list(self._on_loss)
        for on_loss in callbacks:
            on_loss()

    def on_loss(self, look: Callable[[], None]) -> None:
        """Call `look`, which must not block, whenever NOTIFYs no longer arrive."""
        with self._lock:
            self._on_loss.append(look)

    def poll_ms(self, poll_ms: int) -> int:
        """Return the interval of polling in ms: `poll_ms`, or SELDOM times as much while NOTIFYs arrive."""
        return poll_ms * SELDOM if self.is_proved else poll_ms
