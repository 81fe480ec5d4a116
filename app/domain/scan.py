"""Where to begin to look for the next job: at the head of the line, or past what is dead there.

Rows of jobs that were taken stay in the way while a snapshot is held anywhere, for hours perhaps. Whoever takes jobs
remembers where it found the last one, and goes on from there. But a job may join the line before that (lifo, by its
priority, handed back, committed late). So it looks from the head each time while that is quick, and after `INTERVAL_S`
when it is not, or later if looking would take more than a share of the time, but never later than `LONGEST_S`. So long
such a job may be overtaken.
"""

from collections import OrderedDict
from typing import NamedTuple

INTERVAL_S = 0.1
SHARE = 20
"""A look from the head takes at most one in so many parts of the time, while that is sooner than `LONGEST_S`."""
LONGEST_S = 2.0
"""However long a look took: the server's clock, which measures it, may have been set, or the machine stood still."""
QUICK_COUNT_S = 0.001
"""What it takes to count what is leased when few leases that ended are in its way."""
COUNTS_PAST_DEAD_S = 10.0
"""After a count that was slow, for how long others read past what is dead: it costs them what the counts cost."""
QUICK_S, QUICK_A_JOB_S = 0.000_5, 0.000_01
"""What a look takes when little is in its way."""


class Place(NamedTuple):
    """A place in line, as the index has them."""

    priority: int
    place: int


HEAD = Place(0, -(2**63))


class ScanResult(NamedTuple):
    """What came of one look: from `start`, for `asked` jobs, `found` of them up to `last`, in `took_s`."""

    start: Place
    asked: int
    found: int
    last: Place | None
    took_s: float

    @property
    def is_short(self) -> bool:
        """Whether it came to the end of the line."""
        return self.found < self.asked


class ScanCursor:
    """What one worker remembers of one queue. Moments are seconds of any clock that never goes back."""

    def __init__(self) -> None:
        self.has_long = False
        """Whether the texts of the last jobs were more than an answer may have: so those of the next will be."""
        self._at = HEAD
        self._looks_at_s = 0.0
        self._rests_s = 0.0
        self._counts_all_at_s = 0.0

    def counts_past_dead(self, *, now_s: float) -> bool:
        """Say whether to count what is leased past the entries of leases that have ended."""
        return now_s < self._counts_all_at_s

    def note_count(self, took_s: float, *, now_s: float) -> None:
        """Take into account how long it took to count what is leased."""
        if took_s > QUICK_COUNT_S and now_s >= self._counts_all_at_s:
            self._counts_all_at_s = now_s + max(COUNTS_PAST_DEAD_S, SHARE * took_s)

    def start(self, *, now_s: float) -> Place:
        """Say where to begin."""
        return HEAD if now_s >= self._looks_at_s else self._at

    def look_in_s(self, *, now_s: float) -> float:
        """Say when the next look from the head is due."""
        return max(0.0, self._looks_at_s - now_s)

    def note(self, scan: ScanResult, *, now_s: float) -> None:
        """Take into account what a look from `start` found."""
        if scan.start == HEAD:
            is_quick = scan.took_s <= QUICK_S + QUICK_A_JOB_S * scan.asked
            self._rests_s = 0.0 if is_quick else min(LONGEST_S, max(INTERVAL_S, SHARE * scan.took_s))
            self._looks_at_s = now_s + self._rests_s
        elif scan.is_short and self._rests_s <= INTERVAL_S:
            self._looks_at_s = now_s  # what is left can only be behind
        if scan.last:
            self._at = max(self._at, scan.last) if scan.is_short else scan.last


class ScanCursors:
    """The cursors of a process that serves any queue: those that were used last."""

    def __init__(self, *, most: int = 10_000) -> None:
        """Remember up to `most` queues; one that is forgotten is looked at from its head once more."""
        self._cursors: OrderedDict[str, ScanCursor] = OrderedDict()
        self._most = most

    def of(self, queue: str) -> ScanCursor:
        """Give the cursor of a queue."""
        cursor = self._cursors.pop(queue, None) or ScanCursor()
        self._cursors[queue] = cursor
        if len(self._cursors) > self._most:
            self._cursors.popitem(last=False)
        return cursor
