"""Operations on one job by API clients: cancel."""

from app.domain.errors import JobFinished, JobNotFound, NoRoom
from app.domain.job import Job
from app.infra import room
from app.infra.database import Connection, Database
from app.infra.room import COPIES, SMALL, Held
from app.operations import operation
from app.store import jobs

TRIES = 3  # a job may be claimed or released between the two statements


@operation
def cancel(db: Database, *, queue: str, job_id: str, held: Held | None = None) -> Job:
    """Cancel a job: fail it, or, if it is active, ask its worker to stop. Return the job after that.

    One transaction: after an error nothing is stored. `held` reserves memory for the job. Raises JobNotFound,
    JobFinished if the job has ended already, and NoRoom.
    """
    with db.begin() as conn:
        number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
        for _ in range(TRIES):
            if number is None:
                break
            if jobs.cancel(conn, queue=queue, number=number) or jobs.request_cancel(conn, queue=queue, number=number):
                return _read(conn, queue, job_id, held or room.alone())
        if number is None or not jobs.exists(conn, queue=queue, number=number):
            raise JobNotFound.of(queue, job_id)
    raise JobFinished(f"job {job_id!r} has ended: there is nothing to cancel")


def _read(conn: Connection, queue: str, job_id: str, held: Held) -> Job:
    found = jobs.find(conn, queue=queue, job_ids=[job_id], most_bytes=SMALL)
    if not found:
        size = jobs.sizes(conn, queue=queue, job_ids=[job_id])[job_id]
        if not held.take(size * COPIES, is_patient=False):  # the job is locked
            raise NoRoom
        found = jobs.find(conn, queue=queue, job_ids=[job_id])
    return found[job_id]
