"""Reads of a job's history: its attempts and its log lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, case, func, literal, null, select, union_all

from app.domain.attempts import LOGS_KEPT, Attempt, Outcome
from app.domain.errors import JobNotFound, NoRoom
from app.domain.states import Status
from app.infra import room
from app.infra.room import BLIND, COPIES, Reservation
from app.postgres.database import Connection, Database
from app.queries import bounds
from app.store import rows
from app.store.jobs import numbers
from app.store.tables import attempts as attempts_table
from app.store.tables import jobs
from app.store.tables import logs as logs_table

T = TypeVar("T")
OPEN = (Status.ACTIVE, Status.COMPLETED)
"""The statuses in which the row of the job is also its last attempt; all other attempts have rows of their own."""


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Some of a job's entries, oldest first, and the number of all.

    `is_truncated`: more were asked for, but a response with them would be too long.
    """

    entries: list[T]
    count: int
    is_truncated: bool


def attempts(
    db: Database, *, queue: str, job_id: str, start: int, length: int, held: Reservation | None = None
) -> Part[Attempt]:
    """Read up to `length` attempts from offset `start`; `held` reserves memory. Raises JobNotFound, NoRoom."""

    def read(conn: Connection, max_bytes: int) -> Part[Attempt]:
        number = _number(conn, queue, job_id)
        found = _attempts(queue, number).subquery()
        count = conn.execute(select(func.count()).select_from(found)).scalar_one()
        size = func.octet_length(found.c.worker) + func.coalesce(func.octet_length(found.c.reason), 0)
        part = select(found, size.label("bytes")).order_by(found.c.nth).offset(start).limit(length)
        entries = _within(conn, part, "nth", max_bytes)
        return Part([rows.attempt(row) for row in entries if not row.over], count, any(row.over for row in entries))

    return _read(db, held or room.alone(), read)


def logs(
    db: Database, *, queue: str, job_id: str, start: int, length: int, held: Reservation | None = None
) -> Part[str]:
    """Read up to `length` of the kept log lines from offset `start`; otherwise as `attempts`."""

    def read(conn: Connection, max_bytes: int) -> Part[str]:
        number = _number(conn, queue, job_id)
        mine = (logs_table.c.queue == queue, logs_table.c.number == number)
        kept = conn.execute(select(jobs.c.logs_kept).where(jobs.c.queue == queue, jobs.c.number == number)).scalar()
        kept = LOGS_KEPT if kept is None else kept
        there = conn.execute(select(func.count()).select_from(logs_table).where(*mine)).scalar_one()
        count = min(there, kept)
        lines = select(logs_table.c.line_number, logs_table.c.line, func.octet_length(logs_table.c.line).label("bytes"))
        part = lines.where(*mine).order_by(logs_table.c.line_number).offset(there - count + start).limit(length)
        entries = _within(conn, part, "line_number", max_bytes)
        return Part([row.line for row in entries if not row.over], count, any(row.over for row in entries))

    return _read(db, held or room.alone(), read)


def _read(db: Database, held: Reservation, read: Callable[[Connection, int], Part[T]]) -> Part[T]:
    """Read a little; if that was cut, reserve memory and read up to the limit of a response. Raises NoRoom."""
    with db.read() as conn:
        part = read(conn, BLIND)
    if not part.is_truncated:
        return part
    if not held.take(held.room.per_answer * COPIES):
        raise NoRoom
    with db.read() as conn:
        return read(conn, held.room.per_answer)


def _within(conn: Connection, part: Select[Any], by: str, max_bytes: int) -> Sequence[Any]:
    return conn.execute(bounds.within(part.subquery("part"), by=by), {bounds.MAX_BYTES: max_bytes}).all()


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
