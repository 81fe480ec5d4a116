"""Values of the jobs that run now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that runs. Times are ms since the epoch."""

    queue: str
    id: str
    name: str
    attempt: int  # which claim of the job this is, from 1
    worker: str | None
    started_on: int | None
    lease_until: int | None  # it is stalled then, if its worker does not extend the lease
    cancel_requested_on: int | None
    progress: float | None  # None: it is no number, or not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Jobs that run, those that run longest first."""

    jobs: tuple[RunningJob, ...]
    count: int  # how many run
    is_complete: bool  # False: there are more than were looked at, and these are some of them

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the jobs of a response. Unknown members are ignored."""
        jobs = tuple(
            RunningJob(
                queue=one["queue"],
                id=one["id"],
                name=one["name"],
                attempt=one["attempt"],
                worker=one.get("worker"),
                started_on=one.get("startedOn"),
                lease_until=one.get("leaseUntil"),
                cancel_requested_on=one.get("cancelRequestedOn"),
                progress=one.get("progress"),
            )
            for one in members["jobs"]
        )
        return cls(jobs=jobs, count=members["count"], is_complete=members["isComplete"])
