"""The workers of queues, as processes of the service have seen them lately."""

import time
from collections import OrderedDict
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

SEEN_S = 60  # who was seen longer ago does not count
WRITTEN_EACH_S = 15.0  # how often a process writes whom it sees
PULLING_MAX = 1_000
"""So many workers over HTTP are remembered by a process: whoever claims under a million names costs no more."""
LISTED_MAX = 1_000  # workers of a queue that are listed
ACTIVE_MAX = 20_000  # active jobs of a queue that are read to count those of each worker over HTTP
PUSH = "push:"
"""What the names of dispatchers begin with, and no others: by it the running calls of an endpoint are counted."""


class Way(StrEnum):
    """How a worker gets its jobs."""

    PYTHON = "python"  # from the database
    PULL = "pull"  # by claims over HTTP
    PUSH = "push"  # a dispatcher, for an endpoint


class Sighting(NamedTuple):
    """A worker that a process sees. `busy`: how many of its `slots` run a job; 0 for pull: its active jobs tell."""

    queue: str
    worker: str
    way: Way
    slots: int
    busy: int = 0
    ago_ms: int = 0


class SeenWorker(NamedTuple):
    """A worker of a queue, as it was seen last."""

    worker: str
    way: Way
    slots: int
    busy: int
    seen_at: datetime


class PullingWorkers:
    """The workers that call this process over HTTP. Noting one is a write in memory, of few instructions.

    Threads may share it without a lock: each step is one of a dictionary's own.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._seen: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        """When each was seen last, on the monotonic clock, and its slots. The one seen longest ago is the first."""

    def note(self, queue: str, worker: str, slots: int) -> None:
        """Note that a worker of `queue` called, and for how many jobs it asked. Of too many the oldest is dropped."""
        key = queue, worker
        before = self._seen.get(key)  # it stays there meanwhile, for another thread that reads
        self._seen[key] = time.monotonic(), slots if before is None or slots > before[1] else before[1]
        self._seen.move_to_end(key)
        if len(self._seen) > PULLING_MAX:
            self._seen.popitem(last=False)

    def note_of_lease(self, queue: str, worker: str | None) -> None:
        """Note that a worker of `queue` extended a lease, unless a dispatcher holds it: then the receiver did."""
        if worker is not None and not worker.startswith(PUSH):
            self.note(queue, worker, 0)

    def sightings(self) -> list[Sighting]:
        """Return those that were seen within SEEN_S, and forget the others."""
        found, now_s = [], time.monotonic()
        for key, seen in list(self._seen.items()):
            at_s, slots = seen
            if now_s - at_s < SEEN_S:
                found.append(Sighting(*key, Way.PULL, slots=slots, ago_ms=round((now_s - at_s) * 1000)))
            elif self._seen.get(key) is seen:
                self._seen.pop(key, None)
        return found
