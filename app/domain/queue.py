"""A queue: its name, its counts, its pause."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.retention import Retention
from app.domain.states import Status

REASON_MAX = 500  # characters of why a queue is paused
PRIORITIES_MAX = 1_000
"""With more different priorities among the ready jobs of a queue, it is not told which job has been ready longest."""
KNOWN_SINCE = "0017"
"""The first release whose programs obey a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue is paused since `at`: no claim hands out a job. Claimed jobs go on, and so does everything else."""

    at: datetime
    by: str  # the id of an `Actor`
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue as it stands, in one snapshot. One that has nothing has zeros."""

    name: str
    counts: Mapping[Status, int]
    pause: Pause | None
    oldest_ready_at: datetime | None  # when the job that has been ready longest became so
    next_due_at: datetime | None  # when the next delayed job is due
    retention: Retention  # what the queue sets itself
