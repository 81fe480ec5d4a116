"""A queue: its name, its counts, its pause, what happened in it lately."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from app.domain.retention import Retention
from app.domain.states import READY, Status
from app.domain.terms import Key

REASON_MAX = 500  # characters of why a queue is paused
PRIORITIES_MAX = 1_000
"""With more different priorities among the ready jobs of a queue, it is not told which job has been ready longest."""
KNOWN_SINCE = "0017"
"""The first release whose programs obey a pause."""
NUMBERS = {"startWithin": "start_within_ms"}
"""The settings that are numbers, and the fields of `Queue`."""
NUMBERS_SINCE = {"start_within_ms": "0024"}
"""The first release whose programs obey such a setting, by its field."""
WINDOWS = (1, 5, 15)
"""Of so many minutes, the last full ones, it is told what happened in a queue."""
LATELY = 60  # so many minutes, the running one among them, are told one by one
DRAIN_WINDOW = 5  # the one whose pace says how long the ready jobs take
MINUTES_KEPT = 48 * 60  # how many minutes it is known what happened in each of them
HOURS_KEPT_DAYS = 90  # how many days it is known of each hour
DAYS_KEPT = 3_653  # how many days it is known of each day: ten years


class Tally(NamedTuple):
    """How many jobs were added, completed and failed in some time."""

    added: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue is paused since `at`: no claim hands out a job. Claimed jobs go on, and so does everything else."""

    at: datetime
    by: str  # the id of an `Actor`
    reason: str | None


class Minutes(NamedTuple):
    """How many jobs were added, and how many ended, in each minute from `from_ms` on; the last one is not over."""

    from_ms: int
    added: list[int]
    ended: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue as it stands, in one snapshot. One that has nothing has zeros."""

    name: str
    counts: Mapping[Status, int]
    pause: Pause | None
    oldest_ready_at: datetime | None  # when the job that has been ready longest became so
    next_due_at: datetime | None  # when the next delayed job is due
    recent: Mapping[int, Tally]  # what happened, by WINDOWS
    retention: Retention  # what the queue sets itself
    workers: int  # seen within a minute, all ways of working
    start_within_ms: int | None = None  # a job fails that has not begun so long after it became ready first
    defaults: Mapping[str, Any] = field(default_factory=dict)  # options of jobs that do not have them, as JSON, by name
    keys: tuple[Key, ...] = ()  # paths into the data by which jobs are found at once
    minutes: Minutes | None = None  # the last LATELY minutes, if somebody asks for them

    @property
    def drain_ms(self) -> int | None:
        """How long the ready jobs take at the pace at which jobs ended lately; None if none did."""
        ended = self.recent[DRAIN_WINDOW].completed + self.recent[DRAIN_WINDOW].failed
        ready = sum(self.counts[status] for status in READY)
        return round(ready * DRAIN_WINDOW * 60_000 / ended) if ended else None
