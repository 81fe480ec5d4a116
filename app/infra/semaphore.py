"""A fair semaphore: waiters are admitted in the order of their arrival, in turns by holder, with time limits."""

import threading
from collections import deque


class FairSemaphore:
    """Has `size` permits for greenlets or threads, each of which takes one or more for a holder.

    Of those who wait, the next is one of the holder with the fewest permits, and among equals of the one that waits
    longest: however many wait for one holder, another one is next. For one holder alone it is the order of their
    arrival. A holder with a name that has permits gets more only while it then has at most `share` times those that are
    left free: with 3 it gets three quarters of all, or two get three sevenths each. Who names none is not limited.

    A pool alone is not fair: a caller that returns a connection can take it again before the waiter that it woke runs,
    which then waits again behind all others.
    """

    def __init__(self, size: int, *, share: int = 3) -> None:
        """Start with `size` free permits."""
        self.size = size
        self._share = share
        self.free = size
        """The free permits; negative if more were taken than there are, by `give`."""
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._lines: dict[str, deque[tuple[int, threading.Lock]]] = {}
        """Those who wait, by their holders; the holder that was served last is at the end."""

    def is_free(self, number: int, *, holder: str) -> bool:
        """Whether so many permits could be taken for `holder` now, without waiting."""
        with self._lock:
            return number <= self.free and self._is_next(number, holder)

    def take(self, number: int = 1, *, holder: str = "", timeout_s: float = 0.0) -> bool:
        """Take so many permits for `holder`, waiting up to `timeout_s`; return whether they were granted."""
        with self._lock:
            if number <= self.free and self._is_next(number, holder):
                self.free -= number
                self._held[holder] = self._held.get(holder, 0) + number
                return True
            if not timeout_s:
                return False
            turn = threading.Lock()
            turn.acquire()
            asked = number, turn
            self._lines.setdefault(holder, deque()).append(asked)
        try:
            is_granted = turn.acquire(timeout=timeout_s)
        except BaseException:  # a greenlet was killed while it waited
            if not self._leave(holder, asked):
                self.give(number, holder=holder)
            raise
        return is_granted or not self._leave(holder, asked)

    def give(self, number: int = 1, *, holder: str = "") -> None:
        """Return permits; they go to those whose turn it is. If negative, take them even if they are not free."""
        with self._lock:
            self.free += number
            if left := self._held.get(holder, 0) - number:
                self._held[holder] = left
            else:
                self._held.pop(holder, None)
            if self._lines:
                self._serve()

    def _leave(self, holder: str, asked: tuple[int, threading.Lock]) -> bool:
        """Stop waiting; return False if the permits were granted meanwhile."""
        with self._lock:
            line = self._lines.get(holder, deque())
            if is_waiting := asked in line:
                line.remove(asked)
                if not line:
                    del self._lines[holder]
                self._serve()  # the next one may need less
            return is_waiting

    def _serve(self) -> None:
        while ready := self._ready():
            holder = min(ready, key=lambda one: self._held.get(one, 0))
            number, turn = self._lines[holder][0]
            if number > self.free:
                break
            line = self._lines.pop(holder)
            line.popleft()
            if line:
                self._lines[holder] = line
            self.free -= number
            self._held[holder] = self._held.get(holder, 0) + number
            turn.release()

    def _is_next(self, number: int, holder: str) -> bool:
        """Whether `holder` may have so many more, once they are free, before all who wait."""
        if (has := self._held.get(holder)) and self._is_enough(has, number, holder):
            return False
        return not self._lines or (holder not in self._lines and not self._ready())

    def _ready(self) -> list[str]:
        """Return the holders that wait for their turn, and not because they have enough."""
        firsts = ((holder, line[0][0]) for holder, line in self._lines.items())
        return [one for one, number in firsts if not self._is_enough(self._held.get(one, 0), number, one)]

    def _is_enough(self, has: int, number: int, holder: str) -> bool:
        """Whether a holder that has permits would leave too few to others, if it had so many more."""
        return bool(has and holder) and has + number > self._share * (self.free - number)
