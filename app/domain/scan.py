"""Where a claim starts to read the index of ready jobs: at its head, or past the dead entries there.

Index entries of claimed jobs stay while any snapshot is held, perhaps for hours. So a claimer remembers the place of
the last job it found and continues there. But a job may appear before that place (lifo, priority, released, committed
late). So it reads from the head each time while that is fast; otherwise after `INTERVAL_S`, or later if scans from the
head would take more than 1/`SHARE` of the time, but never later than `LONGEST_S`. For that long such a job may be
overtaken.
"""

from collections import OrderedDict
from typing import NamedTuple

INTERVAL_S = 0.1
SHARE = 20
"""Scans from the head take at most 1/SHARE of the time, unless the next one would be later than `LONGEST_S`."""
LONGEST_S = 2.0
"""A maximum, because the duration is measured by the server's clock, which may be set, and the machine may stall."""
QUICK_COUNT_S = 0.001
"""Counting the active jobs takes at most this long if there are few dead index entries of ended leases."""
COUNTS_PAST_DEAD_S = 60.0
"""After a slow count, for how long the next ones skip dead entries, which costs them a read of the stored counts."""
QUICK_S, QUICK_A_JOB_S = 0.000_5, 0.000_01
"""A scan for n jobs takes at most QUICK_S + n * QUICK_A_JOB_S if there are few dead entries."""


class Place(NamedTuple):
    """A position in the index of ready jobs."""

    priority: int
    place: int


HEAD = Place(0, -(2**63))


class ScanResult(NamedTuple):
    """The result of one scan: from `start`, for `asked` jobs; it found `found`, up to `last`, in `took_s` seconds."""

    start: Place
    asked: int
    found: int
    last: Place | None
    took_s: float

    @property
    def is_short(self) -> bool:
        """Whether it reached the end of the queue."""
        return self.found < self.asked


class ScanCursor:
    """The scan position of one claimer in one queue. Times are in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.has_large = False
        """Whether the last jobs were too long for one response; the next ones are expected to be, too."""
        self._at = HEAD
        self._looks_at_s = 0.0
        self._pause_s = 0.0
        self._counts_all_at_s = 0.0

    def skips_dead(self, *, now_s: float) -> bool:
        """Return whether to skip the dead entries of ended leases when counting the active jobs."""
        return now_s < self._counts_all_at_s

    def note_count(self, took_s: float, *, now_s: float) -> None:
        """Record how long counting the active jobs took, in seconds."""
        if took_s > QUICK_COUNT_S and now_s >= self._counts_all_at_s:
            self._counts_all_at_s = now_s + max(COUNTS_PAST_DEAD_S, SHARE * took_s)

    def start(self, *, now_s: float) -> Place:
        """Return where the next scan starts."""
        return HEAD if now_s >= self._looks_at_s else self._at

    def look_in_s(self, *, now_s: float) -> float:
        """Return in how many seconds the next scan from the head is due."""
        return max(0.0, self._looks_at_s - now_s)

    def note(self, scan: ScanResult, *, now_s: float) -> None:
        """Record the result of a scan."""
        if scan.start == HEAD:
            is_quick = scan.took_s <= QUICK_S + QUICK_A_JOB_S * scan.asked
            self._pause_s = 0.0 if is_quick else min(LONGEST_S, max(INTERVAL_S, SHARE * scan.took_s))
            self._looks_at_s = now_s + self._pause_s
        elif scan.is_short and self._pause_s <= INTERVAL_S:
            self._looks_at_s = now_s  # the end was reached: jobs that are left can only be before the cursor
        if scan.last:
            self._at = max(self._at, scan.last) if scan.is_short else scan.last


class ScanCursors:
    """The cursors of a process that serves many queues: the most recently used ones."""

    def __init__(self, *, max_queues: int = 10_000) -> None:
        """Keep the cursors of up to `max_queues` queues; a queue without one is read from its head."""
        self._cursors: OrderedDict[str, ScanCursor] = OrderedDict()
        self._max_queues = max_queues

    def of(self, queue: str) -> ScanCursor:
        """Return the cursor of a queue."""
        cursor = self._cursors.pop(queue, None) or ScanCursor()
        self._cursors[queue] = cursor
        if len(self._cursors) > self._max_queues:
            self._cursors.popitem(last=False)
        return cursor
