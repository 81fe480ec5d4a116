"""The queue order. Tests compare SQL with this model; SQL gets the same order from an index alone."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """What determines the position of a ready job in its queue.

    `joined_us` is when it was added or is due, in microseconds since the epoch. The jobs of one array are a microsecond
    apart, in their order.
    """

    priority: int
    lifo: bool
    joined_us: int


def line(jobs: Iterable[InLine]) -> list[InLine]:
    """Sort ready jobs, the next one to claim first.

    Jobs without a priority come before jobs with one, those by ascending number. Of the same priority lifo jobs come
    first, the newest first, then the others, the oldest first.
    """
    return sorted(jobs, key=lambda job: (job.priority, not job.lifo, -job.joined_us if job.lifo else job.joined_us))
