"""A job that runs now."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """An active job. `at`: the time at which all of this was so, by the clock of the database."""

    queue: str
    id: str
    name: str
    attempt: int
    worker: str | None
    started_at: datetime | None
    leased_until: datetime | None
    cancel_requested_at: datetime | None
    progress: str | None  # JSON, if it is a number; else None
    at: datetime
