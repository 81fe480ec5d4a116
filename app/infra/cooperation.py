"""Cooperative scheduling: CPU-bound work yields to other greenlets now and then."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import gevent
from greenlet import getcurrent

from app.infra import callers
from app.infra.semaphore import FairSemaphore

Item = TypeVar("Item")
PIECE_S = 0.002
"""How long work runs, in seconds, before it yields; a step that cannot be interrupted takes a few ms at most."""
ROUND_S = 0.01
"""How long work gives way, in seconds, to greenlets that can run; then also to those that wait for a socket."""
_gave_way_at = _looked_at = 0.0
_turn = FairSemaphore(1)
_TURN_S = 3600.0  # longer than any request


@contextmanager
def alone() -> Iterator[None]:
    """Do long CPU-bound work while no other greenlet does, in turns by caller.

    A dozen such tasks at once would leave the other greenlets a small share.
    """
    caller = callers.current.get()
    if not _turn.take(holder=caller, timeout_s=_TURN_S):
        raise TimeoutError
    try:
        yield
    finally:
        _turn.give(holder=caller)


def step_aside(for_s: float = 0.0) -> None:
    """Let the event loop look at its sockets, for so long, and run everything that is ready before this greenlet."""
    hub = gevent.get_hub()
    with hub.loop.timer(for_s, priority=-1) as last_in_round:  # among equals, libev runs timers before sockets
        hub.wait(last_in_round)


def give_way() -> None:
    """Yield to other greenlets, unless that has happened within PIECE_S; sockets are looked at once in ROUND_S.

    After `gevent.sleep(0)`, 50 times in a row, none is; each time it would cost calls of endpoints 3 % of their pace.
    In a thread without greenlets, as those of workers are, it does nothing: the system shares out the time.
    """
    global _gave_way_at, _looked_at  # noqa: PLW0603 - clocks for all greenlets of the process, of which one runs at a time
    now = time.perf_counter()
    if now - _gave_way_at < PIECE_S or getcurrent().parent is None:
        return
    if now - _looked_at < ROUND_S:
        gevent.sleep(0)
    else:
        _looked_at = now
        hub = gevent.get_hub()
        with hub.loop.timer(0) as next_round:
            hub.wait(next_round)
    _gave_way_at = time.perf_counter()


def in_pieces(items: Sequence[Item], *, size: int = 25) -> Iterator[Sequence[Item]]:
    """Yield the items in pieces, which take a few ms at most; yield to other greenlets between them."""
    for first in range(0, len(items), size):
        if first:
            give_way()
        yield items[first : first + size]
