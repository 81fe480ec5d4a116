"""A fair semaphore: waiters are admitted in the order of their arrival, with time limits."""

import threading
from collections import deque


class FairSemaphore:
    """Has `size` permits for greenlets or threads, each of which takes one or more, in the order of their arrival.

    A pool alone is not fair: a caller that returns a connection can take it again before the waiter that it woke runs,
    which then waits again behind all others.
    """

    def __init__(self, size: int) -> None:
        """Start with `size` free permits."""
        self.size = size
        self.free = size
        """The free permits; negative if more were taken than there are, by `give`."""
        self._lock = threading.Lock()
        self._line: deque[tuple[int, threading.Lock]] = deque()

    def take(self, number: int = 1, *, timeout_s: float = 0.0) -> bool:
        """Take so many permits, waiting up to `timeout_s`; return whether they were granted."""
        with self._lock:
            if not self._line and number <= self.free:
                self.free -= number
                return True
            if not timeout_s:
                return False
            turn = threading.Lock()
            turn.acquire()
            asked = number, turn
            self._line.append(asked)
        try:
            is_granted = turn.acquire(timeout=timeout_s)
        except BaseException:  # a greenlet was killed while it waited
            if not self._leave(asked):
                self.give(number)
            raise
        return is_granted or not self._leave(asked)

    def give(self, number: int = 1) -> None:
        """Return permits; they go to those who wait longest. If negative, take them even if they are not free."""
        with self._lock:
            self.free += number
            if self._line:
                self._serve()

    def _leave(self, asked: tuple[int, threading.Lock]) -> bool:
        """Stop waiting; return False if the permits were granted meanwhile."""
        with self._lock:
            if is_waiting := asked in self._line:
                self._line.remove(asked)
                self._serve()  # the next one may need less
            return is_waiting

    def _serve(self) -> None:
        while self._line and self._line[0][0] <= self.free:
            number, turn = self._line.popleft()
            self.free -= number
            turn.release()
