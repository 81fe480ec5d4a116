"""Limits the memory of responses: bytes are reserved before jobs are read, and freed when the response is sent.

A response is in memory several times while it is built: in the driver, as texts, as JSON. Then only its JSON is left,
until the client has read it. Most clients read it at once; slow ones share the limit.
"""

from app.infra import callers
from app.infra.semaphore import FairSemaphore

SMALL = 64 * 1024
"""Responses up to this size are not counted: the number of connections limits their memory."""
BLIND = 256 * 1024
"""The most bytes of jobs that are read without a reservation: most responses are shorter."""
COPIES = 4
"""How many copies of its texts a response has in memory while it is built."""


class Room(FairSemaphore):
    """A limit of bytes that the greenlets or threads of a process share; it is shared out among callers."""

    def __init__(self, size: int, *, per_answer: int, claims: int, wait_s: float) -> None:
        """Start with `size` free bytes. `wait_s`: how long a reservation waits for others to be freed.

        `per_answer` is the most text in one page, less if two such pages would not fit. `claims` is the number of
        concurrent claims: the text of each is limited so that all of them reserve half of `size`, without waiting.
        """
        super().__init__(size, share=1)
        self.per_answer = max(BLIND, min(per_answer, size // (2 * COPIES)))
        per_claim = max(SMALL, min(self.per_answer, size // (2 * COPIES * claims)))
        self.claims = ((per_claim, per_claim * COPIES), (SMALL, SMALL * COPIES))
        """The most text of a claim and the reservation for it: normally, and under memory pressure."""
        self.wait_s = wait_s


class Reservation:
    """The reservation of one response. Not thread-safe."""

    def __init__(self, room: Room) -> None:
        """Start with 0 bytes of `room`, for the caller whose request is handled."""
        self.room = room
        self._holder = callers.current.get()
        self.size = 0

    def take(self, size: int, *, is_patient: bool = True) -> bool:
        """Raise the reservation to `size` bytes in all; return whether that succeeded. Waits if `is_patient`.

        A size above the whole limit reserves the whole limit.
        """
        size = min(size, self.room.size)
        more = size - self.size
        if more > 0 and not self.room.take(
            more, holder=self._holder, timeout_s=self.room.wait_s if is_patient else 0.0
        ):
            return False
        self.size = max(self.size, size)
        return True

    def take_long(self, size: int, *, is_patient: bool = True) -> bool:
        """Reserve `size` bytes for a response, unless it is small; return whether that succeeded."""
        return size <= SMALL or self.take(size, is_patient=is_patient)

    def await_claim(self) -> bool:
        """Wait until there is memory for a claim; return whether there is. Reserves it only if it had to wait."""
        least = self.room.claims[-1][1]
        return self.room.is_free(least, holder=self._holder) or self.take(least)

    def for_claim(self) -> int:
        """Reserve memory for the jobs of a claim; return the most bytes of text that they may have, or 0.

        Does not wait. Under memory pressure it is less, and the claim returns fewer jobs.
        """
        room = self.room
        for text, size in room.claims:
            if size <= self.size:
                return text
            if room.take(size - self.size, holder=self._holder):
                self.size = size
                return text
        return 0

    def become(self, size: int) -> None:
        """Set the reservation to the length of the finished response; 0 frees it."""
        if size != self.size:
            self.room.give(self.size - size, holder=self._holder)
            self.size = size


def alone() -> Reservation:
    """Make a reservation of a limit of its own, practically unlimited, for callers without a response."""
    return Reservation(Room(2**40, per_answer=2**37, claims=1, wait_s=0.0))
