"""Letting others run: what takes long in a process of greenlets stops now and then."""

import time

import gevent
from gevent.lock import Semaphore

PIECE_S = 0.002
"""How long work goes on before it gives way; a step of it that cannot be broken off takes some ms at most."""
_gave_way_at = 0.0
alone = Semaphore(1)
"""Held by who does what is long by itself: a dozen who give way to one another would leave others a dozenth."""


def give_way() -> None:
    """Let other greenlets run, unless somebody just has."""
    global _gave_way_at  # noqa: PLW0603 - one clock for all greenlets of the process, of which one runs at a time
    if time.perf_counter() - _gave_way_at >= PIECE_S:
        gevent.sleep(0)
        _gave_way_at = time.perf_counter()
