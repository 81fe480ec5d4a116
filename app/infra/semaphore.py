"""A fair semaphore: waiters are admitted in the order of their arrival, in turns by holder, with time limits."""

import threading
from collections import deque


class FairSemaphore:
    """Has `size` permits for greenlets or threads, each of which takes one or more for a holder.

    Of those who wait, the next is one of the holder with the fewest permits, and among equals of the one that waits
    longest: however many wait for one holder, another one is next. For one holder alone, as all are who name none, it
    is the order of their arrival.

    A pool alone is not fair: a caller that returns a connection can take it again before the waiter that it woke runs,
    which then waits again behind all others.
    """

    def __init__(self, size: int) -> None:
        """Start with `size` free permits."""
        self.size = size
        self.free = size
        """The free permits; negative if more were taken than there are, by `give`."""
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._lines: dict[str, deque[tuple[int, threading.Lock]]] = {}
        """Those who wait, by their holders; the holder that was served last is at the end."""

    def take(self, number: int = 1, *, holder: str = "", timeout_s: float = 0.0) -> bool:
        """Take so many permits for `holder`, waiting up to `timeout_s`; return whether they were granted."""
        with self._lock:
            if not self._lines and number <= self.free:
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
        while self._lines:
            holder = min(self._lines, key=lambda one: self._held.get(one, 0))
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
