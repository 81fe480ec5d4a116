"""What is read of the database for the metrics, and which queues these name."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.durations import BOUNDS_S
from app.domain.queue import DRAIN_WINDOW
from app.domain.series import NONE, Durations
from app.domain.states import READY, Status

NAMED_MAX = 500
"""How many queues are named in labels: so metrics stay few, however many queues there are."""
OTHER = "_other"
"""What labels call all other queues together; a queue of that name is among them."""
ACTIVE_S = 3600
"""A queue in which something happened so lately comes before one in which nothing did."""
IDLE_S = 86_400
"""The counts of a queue without a name, a job and a setting go when nothing has happened in it for so long."""
PRIORITIES_MAX = 16
"""Among so many different priorities, the first ones, the oldest ready job of a queue is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What happened in a queue since it is counted."""

    added: int
    claimed: int
    completed: int
    failed: int
    removed: int
    attempts_failed: int  # and the job with them
    retried: int  # attempts that failed of jobs that are tried again
    released: int
    stalled: int


BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 600.0, 3_600.0, 28_800.0)
"""The upper bounds of the buckets of metrics, in s: half of those of `durations`, since 500 queues have each."""


_BUCKETS = tuple(BOUNDS_S.index(bound) for bound in BOUNDS)


def bucketed(took: Durations) -> list[tuple[float, int]]:
    """Return how many took at most so long, by the bounds of metrics; the last one, infinity, has all.

    There has to be one at least.
    """
    upto = [*itertools.accumulate(took.counts)]
    return [*((bound, upto[nth]) for bound, nth in zip(BOUNDS, _BUCKETS, strict=True)), (math.inf, upto[-1])]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """How a queue stands, or all that have no name together: then its name is OTHER, and `paused` says how many are."""

    name: str
    counts: Mapping[Status, int]
    totals: Totals
    paused: int
    workers: int
    oldest_ready_s: float | None  # None: none is ready
    ended: int  # in the last full minutes, DRAIN_WINDOW of them
    wait: Durations = NONE  # since it is counted, as the totals: of the attempts that began
    run: Durations = NONE  # of the attempts that completed or failed

    @property
    def drain_s(self) -> float | None:
        """How long the ready jobs take at the pace at which jobs ended lately; None if none did."""
        ready = sum(self.counts[status] for status in READY)
        return ready * DRAIN_WINDOW * 60 / self.ended if self.ended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the metrics say of the database, in one snapshot."""

    queues: Sequence[QueueFigures]
    deltas: int  # not folded
    fold_age_s: float | None  # for how long the first of them is not; None: all are folded
    oldest_snapshot_s: float | None  # None: nobody else holds one that is visible
    xid_age: int
    dead_rows: Mapping[str, int]  # by table
