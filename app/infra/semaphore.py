"""A fair line: who came first goes first, and nobody waits longer than he said."""

import threading
from collections import deque


class FairSemaphore:
    """Lets at most `size` callers through at a time, in the order in which they came.

    A pool alone is not fair: who gives a connection back can take it again before the one it woke has run, and that
    one goes to the end of the line.
    """

    def __init__(self, size: int) -> None:
        """Begin with `size` free turns."""
        self._lock = threading.Lock()
        self._free = size
        self._line: deque[threading.Lock] = deque()

    def take(self, *, timeout_s: float) -> bool:
        """Wait for a turn; say whether there was one in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._line.append(turn)
        if turn.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if turn not in self._line:  # given to us in the last moment
                return True
            self._line.remove(turn)
        return False

    def give(self) -> None:
        """Hand a turn to whoever waits longest."""
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1
