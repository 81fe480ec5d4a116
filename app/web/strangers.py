"""Those who show no good token: all of them have a part of a process's time together, and each address its turn."""

import ipaddress
from collections import deque
from collections.abc import Hashable

import gevent
from gevent.event import Event

SHARE = 5
"""They have one in so many parts of the time, however many they are."""
TOOK_MOST_S = 0.002
"""What a request of a stranger can take: what is measured has in it what others did while it waited."""
PATIENCE_S = 10.0
"""Who has not had his turn by then, for a crowd at his own address, gets no answer."""


class _Turn(Event):  # type: ignore[misc]  # gevent's class is no class to mypy
    is_for_nothing = False


class Line:
    """Where strangers wait, one at a time and each address in turn, so that no crowd delays another address.

    For the greenlets of one thread.
    """

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: dict[Hashable, deque[_Turn]] = {}
        """Who waits, by address; the one whose turn is next is the first."""
        self._is_taken = self._is_closed = False

    def hold_up(self, who: Hashable, took_s: float) -> bool:
        """Have a stranger wait for what he took of our time, and more; return whether his turn came in time.

        Before he is answered, so that neither a new connection nor a proxy's next request on this one changes anything.
        """
        if self._is_taken and not self._is_closed and not self._await_turn(who):
            return False
        self._is_taken = True
        try:
            if not self._is_closed:
                gevent.sleep(min(took_s, TOOK_MOST_S) * (SHARE - 1))
        finally:
            self._next()
        return True

    def close(self) -> None:
        """Hold nobody up any more."""
        self._is_closed = True
        for turn in [turn for line in self._waiting.values() for turn in line]:
            turn.set()
        self._waiting.clear()

    def turn_one_away(self, *, more_than: int) -> bool:
        """Turn away who waits longest at the address at which most wait; return whether that many were there."""
        who = max(self._waiting, key=lambda who: len(self._waiting[who]), default=None)
        if who is None or len(self._waiting[who]) <= more_than:
            return False
        turn = self._waiting[who].popleft()
        if not self._waiting[who]:
            del self._waiting[who]
        turn.is_for_nothing = True
        turn.set()
        return True

    def _await_turn(self, who: Hashable) -> bool:
        turn = _Turn()
        self._waiting.setdefault(who, deque()).append(turn)
        has_come = False
        try:
            has_come = bool(turn.wait(PATIENCE_S)) and not turn.is_for_nothing
        finally:
            if not has_come and not turn.is_for_nothing:
                self._leave(who, turn)
        return has_come

    def _leave(self, who: Hashable, turn: _Turn) -> None:
        if turn.is_set():  # in the very moment in which the wait was broken off
            self._next()
            return
        line = self._waiting[who]
        line.remove(turn)
        if not line:
            del self._waiting[who]

    def _next(self) -> None:
        self._is_taken = bool(self._waiting)
        if self._waiting:
            who, line = next(iter(self._waiting.items()))
            del self._waiting[who]
            line.popleft().set()
            if line:
                self._waiting[who] = line  # behind all others


def neighbourhood(address: str) -> str:
    """Return whose turn an address shares: its own, or that of 64 bits of IPv6, all of which one machine may have."""
    if ":" not in address:
        return address
    ours = ipaddress.IPv6Address(address.partition("%")[0])
    return str(ours.ipv4_mapped or ipaddress.IPv6Address(int(ours) >> 64 << 64))
