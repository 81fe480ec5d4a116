"""Fair semaphores: waiters are admitted in the order of their arrival, or by turns, with time limits."""

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


class SharedSemaphore:
    """Has `size` permits for greenlets or threads, each of which takes one for a holder.

    Of those who wait, the next is one of the holder with the fewest permits, and among equals of the one that waits
    longest: however many wait for one holder, another one is next. For one holder alone it is as FairSemaphore.
    """

    def __init__(self, size: int) -> None:
        """Start with `size` free permits."""
        self.size = size
        self.free = size
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._lines: dict[str, deque[threading.Lock]] = {}
        """Those who wait, by their holders; the holder that was served last is at the end."""

    def take(self, holder: str, *, timeout_s: float = 0.0) -> bool:
        """Take a permit for `holder`, waiting up to `timeout_s`; return whether it was granted."""
        with self._lock:
            if self.free and not self._lines:
                self.free -= 1
                self._held[holder] = self._held.get(holder, 0) + 1
                return True
            if not timeout_s:
                return False
            turn = threading.Lock()
            turn.acquire()
            self._lines.setdefault(holder, deque()).append(turn)
        try:
            is_granted = turn.acquire(timeout=timeout_s)
        except BaseException:  # a greenlet was killed while it waited
            if not self._leave(holder, turn):
                self.give(holder)
            raise
        return is_granted or not self._leave(holder, turn)

    def give(self, holder: str) -> None:
        """Return a permit of `holder`."""
        with self._lock:
            self.free += 1
            if left := self._held[holder] - 1:
                self._held[holder] = left
            else:
                del self._held[holder]
            if self._lines:
                self._serve()

    def _leave(self, holder: str, turn: threading.Lock) -> bool:
        """Stop waiting; return False if the permit was granted meanwhile."""
        with self._lock:
            line = self._lines.get(holder, ())
            if is_waiting := turn in line:
                self._lines[holder].remove(turn)
                if not self._lines[holder]:
                    del self._lines[holder]
            return is_waiting

    def _serve(self) -> None:
        while self.free and self._lines:
            holder = min(self._lines, key=lambda one: self._held.get(one, 0))
            line = self._lines.pop(holder)
            turn = line.popleft()
            if line:
                self._lines[holder] = line
            self.free -= 1
            self._held[holder] = self._held.get(holder, 0) + 1
            turn.release()
