"""What people do to jobs."""

from app.domain.errors import JobFinished, JobNotFound
from app.infra.database import Database
from app.operations import operation
from app.store import jobs

TRIES = 3  # a job may be claimed, or handed back, between one look and the next


@operation
def cancel(db: Database, *, queue: str, job_id: str) -> None:
    """End a job that nobody works on; ask the worker of one that is active to stop.

    Raises JobNotFound, and JobFinished when there is nothing to stop.
    """
    with db.begin() as conn:
        number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
        for _ in range(TRIES):
            if number is None:
                break
            if jobs.cancel(conn, queue=queue, number=number) or jobs.request_cancel(conn, queue=queue, number=number):
                return
        if number is None or not jobs.exists(conn, queue=queue, number=number):
            raise JobNotFound.of(queue, job_id)
    raise JobFinished(f"job {job_id!r} has ended: there is nothing to cancel")
