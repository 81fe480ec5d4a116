"""Reads of a job's history: its attempts and its log lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, case, func, null, select, union_all

from app.domain.attempts import LOGS_KEPT, Attempt, Outcome
from app.domain.errors import JobNotFound, NoRoom
from app.domain.states import Status
from app.infra import room
from app.infra.room import BLIND, COPIES, Reservation
from app.postgres.database import Connection, Database
from app.queries import bounds
from app.queries.permits import long_read
from app.store import rows
from app.store.jobs import numbers
from app.store.tables import attempts as attempts_table
from app.store.tables import jobs
from app.store.tables import logs as logs_table

T = TypeVar("T")
FEW = LOGS_KEPT
"""The most entries of a job that are read without a permit."""
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

    def read(conn: Connection, job: Any, max_bytes: int) -> Part[Attempt]:
        found = _attempts(queue, job.number).subquery()
        count = conn.execute(select(func.count()).select_from(found)).scalar_one()
        size = func.octet_length(found.c.worker) + func.coalesce(func.octet_length(found.c.reason), 0)
        part = select(found, size.label("bytes")).order_by(found.c.nth).offset(start).limit(length)
        entries = _within(conn, part, "nth", max_bytes)
        return Part([rows.attempt(row) for row in entries if not row.over], count, any(row.over for row in entries))

    return _read(db, queue, job_id, held or room.alone(), read, most=lambda job: job.attempts_started)


def logs(
    db: Database, *, queue: str, job_id: str, start: int, length: int, held: Reservation | None = None
) -> Part[str]:
    """Read up to `length` of the kept log lines from offset `start`; otherwise as `attempts`."""

    def read(conn: Connection, job: Any, max_bytes: int) -> Part[str]:
        mine = (logs_table.c.queue == queue, logs_table.c.number == job.number)
        there = conn.execute(select(func.count()).select_from(logs_table).where(*mine)).scalar_one()
        count = min(there, _kept(job))
        lines = select(logs_table.c.line_number, logs_table.c.line, func.octet_length(logs_table.c.line).label("bytes"))
        part = lines.where(*mine).order_by(logs_table.c.line_number).offset(there - count + start).limit(length)
        entries = _within(conn, part, "line_number", max_bytes)
        return Part([row.line for row in entries if not row.over], count, any(row.over for row in entries))

    return _read(db, queue, job_id, held or room.alone(), read, most=_kept)


def _kept(job: Any) -> int:
    return LOGS_KEPT if job.logs_kept is None else int(job.logs_kept)


def _read(
    db: Database,
    queue: str,
    job_id: str,
    held: Reservation,
    read: Callable[[Connection, Any, int], Part[T]],
    *,
    most: Callable[[Any], int],
) -> Part[T]:
    """Read a little; if that was cut, reserve memory and read up to the limit of a response. Raises NoRoom.

    If a job can have over FEW entries, by `most`, a permit is needed: they are counted.
    """

    def once(max_bytes: int, *, is_permitted: bool) -> Part[T] | None:
        with db.read() as conn:
            job = _job(conn, queue, job_id)
            return read(conn, job, max_bytes) if is_permitted or most(job) <= FEW else None

    def bounded(*, is_permitted: bool) -> Part[T] | None:
        part = once(BLIND, is_permitted=is_permitted)
        if part is None or not part.is_truncated:
            return part
        if not held.take(held.room.per_answer * COPIES):
            raise NoRoom
        return once(held.room.per_answer, is_permitted=is_permitted)

    part = bounded(is_permitted=False)
    if part is None:
        with long_read(db):
            part = bounded(is_permitted=True)
    assert part is not None
    return part


def _within(conn: Connection, part: Select[Any], by: str, max_bytes: int) -> Sequence[Any]:
    return conn.execute(bounds.within(part.subquery("part"), by=by), {bounds.MAX_BYTES: max_bytes}).all()


def _job(conn: Connection, queue: str, job_id: str) -> Any:
    """Return the number of a job, and what says how many entries it may have. Raises JobNotFound."""
    number = numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
    wanted = select(jobs.c.number, jobs.c.logs_kept, jobs.c.attempts_started)
    found = conn.execute(wanted.where(jobs.c.queue == queue, jobs.c.number == number)).first()
    if found is None:
        raise JobNotFound.of(queue, job_id)
    return found


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
