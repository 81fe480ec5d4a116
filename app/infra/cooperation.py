"""Cooperative scheduling: CPU-bound work yields to other greenlets now and then."""

import time

import gevent
from gevent.lock import Semaphore

PIECE_S = 0.002
"""How long work runs, in seconds, before it yields; a step that cannot be interrupted takes a few ms at most."""
_gave_way_at = 0.0
alone = Semaphore(1)
"""Held during long CPU-bound work: a dozen such tasks at once would leave the other greenlets a small share."""


def give_way() -> None:
    """Yield to other greenlets, also to those that wait for a socket, unless that has happened within PIECE_S."""
    global _gave_way_at  # noqa: PLW0603 - one clock for all greenlets of the process, of which one runs at a time
    if time.perf_counter() - _gave_way_at >= PIECE_S:
        hub = gevent.get_hub()
        with hub.loop.timer(0) as next_round:  # after `gevent.sleep(0)`, 50 times in a row, no socket is looked at
            hub.wait(next_round)
        _gave_way_at = time.perf_counter()
