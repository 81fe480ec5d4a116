"""Adding jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.job import Job, NewJob
from app.infra.database import Connection, Database
from app.operations import operation
from app.store import jobs


class Outcome(StrEnum):
    """What became of one job of an array."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # its id existed; the job that is there stays as it is


@dataclass(frozen=True, slots=True)
class Submitted:
    """The stored job, and whether this call stored it."""

    job: Job
    outcome: Outcome


@operation
def submit_many(db: Database, *, queue: str, new: Sequence[NewJob]) -> list[Submitted]:
    """Add `new`, all or none, and return what is stored for each, in the same order.

    One transaction. Waits, within lock_timeout, for another that adds the same custom id.
    """
    if not new:
        return []
    with db.begin() as conn:
        created = jobs.insert(conn, queue=queue, new=new)
        existing = _existing(conn, queue, new, created)
    db.announce(queue)
    return [
        Submitted(stored, Outcome.CREATED) if stored else Submitted(existing[asked.custom_id or ""], Outcome.DUPLICATE)
        for asked, stored in zip(new, created, strict=True)
    ]


def _existing(conn: Connection, queue: str, new: Sequence[NewJob], created: Sequence[Job | None]) -> dict[str, Job]:
    """Read the jobs whose ids were taken: by an earlier transaction, or by an earlier member of the same array."""
    taken = {job.custom_id for job, stored in zip(new, created, strict=True) if stored is None and job.custom_id}
    return jobs.find_by_custom_ids(conn, queue=queue, custom_ids=sorted(taken)) if taken else {}
