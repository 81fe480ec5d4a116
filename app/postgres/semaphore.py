"""A fair semaphore: waiters are admitted in the order of their arrival, with time limits."""

import threading
from collections import deque


class FairSemaphore:
    """Admits at most `size` callers at a time, in the order of their arrival.

    A pool alone is not fair: a caller that returns a connection can take it again before the waiter that it woke runs,
    which then waits again behind all others.
    """

    def __init__(self, size: int) -> None:
        """Start with `size` free permits."""
        self._lock = threading.Lock()
        self._free = size
        self._line: deque[threading.Lock] = deque()

    def take(self, *, timeout_s: float) -> bool:
        """Wait for a permit up to `timeout_s`; return whether it was granted."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._line.append(turn)
        try:
            is_granted = turn.acquire(timeout=timeout_s)
        except BaseException:  # a greenlet was killed while it waited
            if not self._leave(turn):
                self.give()
            raise
        return is_granted or not self._leave(turn)

    def _leave(self, turn: threading.Lock) -> bool:
        """Stop waiting; return False if the permit was granted meanwhile."""
        with self._lock:
            if is_waiting := turn in self._line:
                self._line.remove(turn)
            return is_waiting

    def give(self) -> None:
        """Return a permit; it goes to the longest waiter."""
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1
