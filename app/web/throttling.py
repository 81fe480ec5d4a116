"""Throttles unauthenticated clients: together they get a fixed share of a process's CPU time, in turn by address."""

import ipaddress
from collections import deque
from collections.abc import Hashable

from gevent.event import Event

from app.infra import cooperation

SHARE = 5
"""Unauthenticated clients together get 1/SHARE of the CPU time, however many they are."""
CPU_MAX_S = 0.005
"""The most seconds counted per request. No known one takes so many. With more, a request that waits for the database in
a busy process would pay for the greenlets that ran meanwhile, and others without a token would wait for its turn."""
PATIENCE_S = 10.0
"""The longest wait for a turn, in seconds: after that, behind a crowd at its own address, a client gets no response."""


class _Turn(Event):  # type: ignore[misc]  # gevent's class is no class to mypy
    is_rejected = False


class FairThrottle:
    """A round-robin queue of unauthenticated requests by address: one runs at a time, and no address delays another.

    For the greenlets of one thread.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[Hashable, deque[_Turn]] = {}
        """The waiting requests, by address; the address whose turn is next is the first."""
        self._is_taken = self._is_closed = False

    def wait_turn(self, who: Hashable, took_s: float) -> bool:
        """Wait for the turn of `who`, then for SHARE - 1 times `took_s`; return whether the turn came in time.

        Call it before the response is sent: then a client gains nothing by a new connection or by pipelining.
        """
        if self._is_taken and not self._is_closed and not self._await_turn(who):
            return False
        self._is_taken = True
        try:
            if not self._is_closed:
                cooperation.step_aside(min(took_s, CPU_MAX_S) * (SHARE - 1))
        finally:
            self._next()
        return True

    def close(self) -> None:
        """End all waits, and throttle no more."""
        self._is_closed = True
        for turn in [turn for line in self._waiting.values() for turn in line]:
            turn.set()
        self._waiting.clear()

    def reject_oldest(self, *, more_than: int) -> bool:
        """Reject the oldest request of the address with the most, if it has over `more_than`; return whether it had."""
        who = max(self._waiting, key=lambda who: len(self._waiting[who]), default=None)
        if who is None or len(self._waiting[who]) <= more_than:
            return False
        turn = self._waiting[who].popleft()
        if not self._waiting[who]:
            del self._waiting[who]
        turn.is_rejected = True
        turn.set()
        return True

    def _await_turn(self, who: Hashable) -> bool:
        turn = _Turn()
        self._waiting.setdefault(who, deque()).append(turn)
        has_come = False
        try:
            has_come = bool(turn.wait(PATIENCE_S)) and not turn.is_rejected
        finally:
            if not has_come and not turn.is_rejected:
                self._leave(who, turn)
        return has_come

    def _leave(self, who: Hashable, turn: _Turn) -> None:
        if turn.is_set():  # its turn came in the moment in which the wait was aborted
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
                self._waiting[who] = line  # after all other addresses


def client_key(address: str) -> str:
    """Return the key by which an address is throttled: itself, or its /64 for IPv6, which one machine may own."""
    if ":" not in address:
        return address
    ours = ipaddress.IPv6Address(address.partition("%")[0])
    return str(ours.ipv4_mapped or ipaddress.IPv6Address(int(ours) >> 64 << 64))
