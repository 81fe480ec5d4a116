"""What "next" means. The oracle that tests compare the SQL with; SQL gets the same order from an index alone."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """What decides a job's place.

    `joined_us` is when it was added or falls due, in microseconds since the epoch. The jobs of one array join a
    microsecond apart, in its order.
    """

    priority: int
    lifo: bool
    joined_us: int


def line(jobs: Iterable[InLine]) -> list[InLine]:
    """Sort ready jobs, the next one first.

    No priority before any priority, then the lowest number; within that lifo before fifo, lifo newest first, fifo
    oldest first.
    """
    return sorted(jobs, key=lambda job: (job.priority, not job.lifo, -job.joined_us if job.lifo else job.joined_us))
