"""When a job is likely to begin: how many are before it, and at which pace the queue's jobs ended lately."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

WINDOW = 5
"""How many of the last full minutes the pace is taken from."""
BATCHED = 500
"""So many active and completed jobs each tell how many are claimed together."""
EXACT = 10_000
"""So many jobs before a job are counted; more are estimated."""
_P90 = 1.2816  # standard deviations above the median


class Spot(NamedTuple):
    """A place among the ready jobs of a queue, which are claimed in the order of these."""

    priority: int
    place: int


class Ahead(NamedTuple):
    """How many jobs would be claimed before a job."""

    jobs: int
    is_exact: bool


class Start(NamedTuple):
    """When a job is likely to begin: as likely before `p50` as after it; in nine of ten cases before `p90`."""

    p50: datetime
    p90: datetime


class Line(NamedTuple):
    """The ready jobs of a queue around a job that has more than EXACT before it.

    `near` is the last of `walked` jobs from the head, `far` the first of `after` jobs from the end, of those without a
    priority if the job has none; no job is between the job and `far` if `is_end`.
    """

    walked: int
    near: Spot
    after: int
    far: Spot | None  # None: it is the last
    is_end: bool
    waiting: int  # ready jobs without a priority, which come first
    ready: int
    prioritized: Spot | None  # the first that has a priority


class Pace(NamedTuple):
    """How many jobs end in a second.

    `spread`: how much the minutes differ beyond chance, as a part of that.
    """

    per_s: float
    spread: float
    batch: float = 1.0  # how many are claimed together


def estimate(spot: Spot, line: Line) -> int:
    """Return about how many jobs are before `spot`: by the counts, and by where it is between known places."""
    total = line.ready if spot.priority else line.waiting
    if line.is_end or line.far is None:
        return max(line.walked, total - line.after - 1)
    base, near = line.walked, line.near
    if spot.priority and line.prioritized and line.waiting > line.walked:
        base, near = line.waiting, line.prioritized
    return base + round(max(0, total - line.after - base) * _share(near, spot, line.far))


def _share(near: Spot, spot: Spot, far: Spot) -> float:
    """Return where `spot` is between two others, from 0 to 1: by the priority, or by the place within one."""
    if near.priority != far.priority:
        return (spot.priority - near.priority) / (far.priority - near.priority)
    if (near.place < 0) != (far.place < 0) or near.place == far.place:
        return 0.5  # places of lifo jobs are negative: between them and the others nothing is known
    return min(1.0, max(0.0, (spot.place - near.place) / (far.place - near.place)))


def of(ended: Sequence[int]) -> Pace | None:
    """Return the pace of a queue in which so many jobs ended in each of the last minutes, the newest first.

    Minutes before the first in which any ended do not count: the work began then. None if none ended.
    """
    counted = [*ended]
    while counted and not counted[-1]:
        counted.pop()
    if not counted:
        return None
    mean = sum(counted) / len(counted)
    variance = sum((each - mean) ** 2 for each in counted) / len(counted)
    return Pace(per_s=mean / 60, spread=math.sqrt(max(0.0, variance - mean)) / mean)


def start(at: datetime, ahead: int, pace: Pace) -> Start:
    """Return when a job is likely to begin, after `ahead` others, at a pace. Both are in the calendar."""
    jobs = ahead + 1
    # The median of so many that end independently of each other. Of those that are claimed together next, half a claim.
    median = max(jobs - 1 / 3, pace.batch / 2)
    # By chance, by when the claims come, and by the differences between the minutes, which last.
    deviation = math.sqrt(jobs + (pace.batch - 1) ** 2 / 6 + (jobs * pace.spread) ** 2)
    p50_s, p90_s = median / pace.per_s, (median + _P90 * deviation) / pace.per_s
    return Start(_later(at, p50_s), _later(at, p90_s))


def _later(at: datetime, seconds: float) -> datetime:
    left = datetime.max.replace(tzinfo=at.tzinfo) - at - timedelta(days=1)
    return at + min(left, timedelta(seconds=min(seconds, left.total_seconds())))
