"""What "next" means. The oracle that tests compare the SQL with; SQL gets the same order from an index alone."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """What decides a job's place: `joined` is when it was added or fell due, `nth` breaks ties in one array."""

    priority: int
    lifo: bool
    joined: float
    nth: int


def line(jobs: Iterable[InLine]) -> list[InLine]:
    """Sort ready jobs, the next one first.

    No priority before any priority, then the lowest number; within that lifo before fifo, lifo newest first, fifo
    oldest first.
    """
    return sorted(jobs, key=_place)


def _place(job: InLine) -> tuple[int, int, float, int]:
    sign = -1 if job.lifo else 1
    return (job.priority, sign, sign * job.joined, sign * job.nth)
