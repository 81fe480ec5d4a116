"""What answers may hold of a process's memory: bytes are had before they are read, and given back when they are sent.

An answer is in memory several times while it is made: as the driver has it, as texts, as JSON. Then only its JSON is
left, for as long as its client takes; most clients take it at once, and those that do not share what there is.
"""

import threading
from collections import deque

SMALL = 64 * 1024
"""Answers up to this are not counted: so many clients may be connected that this is what they hold at most."""
BLIND = 256 * 1024
"""The most that is read of jobs before anything was had for them: most answers are less, and cost nothing more."""
COPIES = 4
"""How often the text of an answer is in memory while it is made."""


class Room:
    """An account of bytes that the greenlets or threads of a process share. Who asks first is served first."""

    def __init__(self, size: int, *, per_answer: int, claims: int, wait_s: float) -> None:
        """Begin with `size` free bytes. `wait_s`: how long an answer waits for others to end.

        `per_answer` is the most text in one answer that may be cut, less where not even two would fit; of a claim so
        much less that as many as there may be at once, `claims`, take half of what there is: they wait for nobody.
        """
        self.size = size
        self.per_answer = max(BLIND, min(per_answer, size // (2 * COPIES)))
        per_claim = max(SMALL, min(self.per_answer, size // (2 * COPIES * claims)))
        self.claims = ((per_claim, per_claim * COPIES), (SMALL, SMALL * COPIES))
        """What a claim may have of texts, and takes for them: first, and under pressure."""
        self.wait_s = wait_s
        self.free = size
        """How many bytes are free; less than none where an answer turned out larger than what was had for it."""
        self._lock = threading.Lock()
        self._line: deque[tuple[int, threading.Lock]] = deque()

    def take(self, size: int, *, timeout_s: float = 0.0) -> bool:
        """Take so many bytes, waiting for them; say whether they were had."""
        with self._lock:
            if not self._line and size <= self.free:
                self.free -= size
                return True
            if not timeout_s:
                return False
            turn = threading.Lock()
            turn.acquire()
            asked = size, turn
            self._line.append(asked)
        if turn.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if asked not in self._line:  # given to us in the last moment
                return True
            self._line.remove(asked)
            self._serve()  # who is behind may ask for less
        return False

    def change(self, size: int) -> None:
        """Give so many bytes back; take them, whether they are there or not, where `size` is below 0."""
        with self._lock:
            self.free += size
            if self._line:
                self._serve()

    def _serve(self) -> None:
        while self._line and self._line[0][0] <= self.free:
            size, turn = self._line.popleft()
            self.free -= size
            turn.release()


class Held:
    """What one answer has of a room. For one caller."""

    def __init__(self, room: Room) -> None:
        """Begin with nothing."""
        self.room = room
        self.size = 0

    def take(self, size: int, *, is_patient: bool = True) -> bool:
        """Have `size` bytes in all, or as many as before; say whether they were had. Waits for others, if patient.

        What is more than there is in all has to have all.
        """
        size = min(size, self.room.size)
        more = size - self.size
        if more > 0 and not self.room.take(more, timeout_s=self.room.wait_s if is_patient else 0.0):
            return False
        self.size = max(self.size, size)
        return True

    def take_long(self, size: int, *, is_patient: bool = True) -> bool:
        """Take so much for an answer, unless it is a small one; say whether there is room for it."""
        return size <= SMALL or self.take(size, is_patient=is_patient)

    def await_claim(self) -> bool:
        """Wait until there is room for a claim; say whether there is. Nothing is taken where nobody has to wait."""
        room = self.room
        least = room.claims[-1][1]
        return room.free >= least or self.take(least)

    def for_claim(self) -> int:
        """Take what is free for jobs that are about to be leased; return the bytes of text that they may have, or 0.

        Waits for nobody. Under pressure it is little, and a claim then brings fewer jobs.
        """
        room = self.room
        for text, size in room.claims:
            if size <= self.size:
                return text
            if room.take(size - self.size):
                self.size = size
                return text
        return 0

    def become(self, size: int) -> None:
        """Have exactly so many bytes: the answer is made, and this is its length. 0 gives all back."""
        if size != self.size:
            self.room.change(self.size - size)
            self.size = size


def alone() -> Held:
    """Make what is held of a room of one's own, for callers that answer nobody."""
    return Held(Room(2**40, per_answer=2**37, claims=1, wait_s=0.0))
