"""Reads of the jobs that run now."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.running import RunningJob
from app.postgres.database import Database
from app.queries.queues import like
from app.store import running

LOOKED_MAX = 2_000
"""So many active jobs are looked at; there are seldom more than workers can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Active jobs, those that run longest first. Not complete: there are more than LOOKED_MAX, and `count` is that."""

    jobs: list[RunningJob]
    count: int
    is_complete: bool


def page(db: Database, *, queue: str | None, allowed: Sequence[str], start: int, length: int) -> Running:
    """Return active jobs of a queue, or, for None, of all that match one pattern of `allowed`. Raises DatabaseError."""
    with db.read() as conn:
        if queue is None:
            found = running.find_of_all(conn, allowed=[*map(like, allowed)], most=LOOKED_MAX + 1)
        else:
            found = running.find(conn, queue=queue, most=LOOKED_MAX + 1)
    looked = found[:LOOKED_MAX]
    looked.sort(key=lambda job: (job.started_at or job.at, job.queue, job.id))
    return Running(jobs=looked[start : start + length], count=len(looked), is_complete=len(found) <= LOOKED_MAX)
