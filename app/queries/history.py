"""What may be known of a job's past: its attempts and its log."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, case, func, literal, null, select, union_all

from app.domain.attempts import LOGS_KEPT, Attempt, Outcome
from app.domain.errors import JobNotFound
from app.domain.states import Status
from app.infra.database import Connection, Database
from app.store import rows
from app.store.jobs import numbers
from app.store.tables import attempts as attempts_table
from app.store.tables import jobs
from app.store.tables import logs as logs_table

T = TypeVar("T")
OPEN = (Status.ACTIVE, Status.COMPLETED)
"""The statuses in which the row of a job is its last attempt too; any other attempt has a row of its own."""


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Some of a job's entries, the first one first, and how many there are."""

    entries: list[T]
    count: int


def attempts(db: Database, *, queue: str, job_id: str, start: int, length: int) -> Part[Attempt]:
    """Read up to `length` attempts from offset `start`. Raises JobNotFound."""
    with db.read() as conn:
        number = _number(conn, queue, job_id)
        found = _attempts(queue, number).subquery()
        count = conn.execute(select(func.count()).select_from(found)).scalar_one()
        part = conn.execute(select(found).order_by(found.c.nth).offset(start).limit(length))
        return Part([rows.attempt(row) for row in part], count)


def logs(db: Database, *, queue: str, job_id: str, start: int, length: int) -> Part[str]:
    """Read up to `length` lines, of those that the job keeps, from offset `start`. Raises JobNotFound."""
    with db.read() as conn:
        number = _number(conn, queue, job_id)
        mine = (logs_table.c.queue == queue, logs_table.c.number == number)
        kept = conn.execute(select(jobs.c.logs_kept).where(jobs.c.queue == queue, jobs.c.number == number)).scalar()
        kept = LOGS_KEPT if kept is None else kept
        there = conn.execute(select(func.count()).select_from(logs_table).where(*mine)).scalar_one()
        count = min(there, kept)
        part = (
            select(logs_table.c.line)
            .where(*mine)
            .order_by(logs_table.c.line_number)
            .offset(there - count + start)
            .limit(length)
        )
        return Part(list(conn.execute(part).scalars()), count)


def _number(conn: Connection, queue: str, job_id: str) -> int:
    number = numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
    there = select(literal(1)).where(jobs.c.queue == queue, jobs.c.number == number)
    if number is None or conn.execute(there).first() is None:
        raise JobNotFound.of(queue, job_id)
    return number


def _attempts(queue: str, number: int) -> Select[Any]:
    ended = select(attempts_table).where(attempts_table.c.queue == queue, attempts_table.c.number == number)
    is_running = jobs.c.status == Status.ACTIVE
    last = select(
        jobs.c.queue,
        jobs.c.number,
        jobs.c.attempts_started.label("nth"),
        jobs.c.processed_by.label("worker"),
        jobs.c.processed_at.label("started_at"),
        jobs.c.finished_at.label("ended_at"),
        case((is_running, Outcome.RUNNING), else_=Outcome.COMPLETED).label("outcome"),
        null().label("reason"),
    ).where(jobs.c.queue == queue, jobs.c.number == number, jobs.c.status.in_(OPEN))
    return select(union_all(ended, last).subquery())
