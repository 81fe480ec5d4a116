"""Progress and log lines of running attempts."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.errors import Unauthorized
from app.domain.job import JsonText, LeaseKey
from app.operations import operation
from app.postgres.database import Connection, Database
from app.store import jobs, leases, logs


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressUpdate:
    """The progress of a running attempt, a line for its log, or both."""

    lease: LeaseKey
    progress: JsonText | None = None
    line: str | None = None


@operation
def store(db: Database, *, queue: str, updates: Sequence[ProgressUpdate]) -> None:
    """Store all updates in one transaction. Updates whose lease is lost change nothing."""
    with db.begin() as conn:
        for update in updates:
            if update.progress is not None:
                leases.report_progress(conn, queue=queue, lease=update.lease, progress=update.progress)
            if update.line is not None:
                logs.append(conn, queue=queue, lease=update.lease, line=update.line)


@operation
def set_progress(db: Database, *, queue: str, job_id: str, token: str, progress: JsonText) -> None:
    """Set the progress of the job whose running attempt holds `token`. Raises Unauthorized."""
    with db.begin() as conn:
        lease = _lease(conn, queue, job_id, token)
        if lease is None or not leases.report_progress(conn, queue=queue, lease=lease, progress=progress):
            raise _refused()


@operation
def append_log(db: Database, *, queue: str, job_id: str, token: str, line: str) -> None:
    """Append a line to the log of the job whose running attempt holds `token`. Raises Unauthorized."""
    with db.begin() as conn:
        lease = _lease(conn, queue, job_id, token)
        if lease is None or not logs.append(conn, queue=queue, lease=lease, line=line):
            raise _refused()


def _lease(conn: Connection, queue: str, job_id: str, token: str) -> LeaseKey | None:
    number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
    return None if number is None else LeaseKey(number=number, token=token)


def _refused() -> Unauthorized:
    return Unauthorized("the token of the running attempt is required: Authorization: Bearer <token>")
