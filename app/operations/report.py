"""What a worker reports of an attempt that runs: how far it is, and what it logs."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.errors import Unauthorized
from app.domain.job import JsonText, LeaseKey
from app.infra.database import Connection, Database
from app.operations import operation
from app.store import jobs, leases, logs


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressUpdate:
    """What a worker says of an attempt that it holds: how far it is, or a line for the log."""

    lease: LeaseKey
    progress: JsonText | None = None
    line: str | None = None


@operation
def tell(db: Database, *, queue: str, told: Sequence[ProgressUpdate]) -> None:
    """Note all of it in one transaction. What comes of a lost lease changes nothing."""
    with db.begin() as conn:
        for said in told:
            if said.progress is not None:
                leases.report_progress(conn, queue=queue, lease=said.lease, progress=said.progress)
            if said.line is not None:
                logs.append(conn, queue=queue, lease=said.lease, line=said.line)


@operation
def progress(db: Database, *, queue: str, job_id: str, token: str, progress: JsonText) -> None:
    """Note how far the attempt that holds `token` is. Raises Unauthorized."""
    with db.begin() as conn:
        lease = _lease(conn, queue, job_id, token)
        if lease is None or not leases.report_progress(conn, queue=queue, lease=lease, progress=progress):
            raise _refused()


@operation
def log(db: Database, *, queue: str, job_id: str, token: str, line: str) -> None:
    """Add a line to the log of the job that `token` holds. Raises Unauthorized."""
    with db.begin() as conn:
        lease = _lease(conn, queue, job_id, token)
        if lease is None or not logs.append(conn, queue=queue, lease=lease, line=line):
            raise _refused()


def _lease(conn: Connection, queue: str, job_id: str, token: str) -> LeaseKey | None:
    number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
    return None if number is None else LeaseKey(number=number, token=token)


def _refused() -> Unauthorized:
    return Unauthorized("the token of the attempt that runs is needed: Authorization: Bearer <token>")
