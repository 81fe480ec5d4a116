"""What may be known of jobs: one, or a page with counts."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import Select, bindparam, literal_column, select, union_all

from app.domain import ids
from app.domain.errors import JobNotFound
from app.domain.job import Job
from app.domain.states import Status
from app.infra.database import Connection, Database
from app.store import counts, rows
from app.store.tables import jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a queue's jobs, and how many it has in each status asked for, all at one moment."""

    counts: dict[Status, int]
    jobs: list[Job]


def find(db: Database, *, queue: str, job_id: str) -> Job:
    """Read one job. Raises JobNotFound."""
    number = ids.generated(job_id)
    mine = jobs.c.custom_id == job_id
    if number is not None:
        mine = (jobs.c.number == number) & jobs.c.custom_id.is_(None)
    with db.read() as conn:
        row = conn.execute(select(jobs).where(jobs.c.queue == queue, mine)).one_or_none()
    if row is None:
        raise JobNotFound.of(queue, job_id)
    return rows.job(row)


def page(
    db: Database, *, queue: str, statuses: Sequence[Status], start: int, length: int, newest_first: bool = True
) -> Page:
    """Read `length` jobs from offset `start` over all of `statuses` together, in the order they were added."""
    with db.read() as conn:
        found = counts.count(conn, queue=queue)
        return Page(
            counts={status: found[status] for status in statuses},
            jobs=_jobs(conn, queue, statuses, start, length, newest_first=newest_first) if length else [],
        )


def _jobs(
    conn: Connection, queue: str, statuses: Sequence[Status], start: int, length: int, *, newest_first: bool
) -> list[Job]:
    statement = _merging(frozenset(statuses), newest_first=newest_first)
    asked = {"queue": queue, "start": start, "length": length, "part": start + length}
    return [rows.job(row) for row in conn.execute(statement, asked)]


@functools.cache  # the statuses asked for are few, and putting a statement together takes longer than running it
def _merging(statuses: frozenset[Status], *, newest_first: bool) -> Select[Any]:
    """Merge the statuses' indexes: each gives its part of the page in order, so no status is read to its end."""
    order = jobs.c.number.desc() if newest_first else jobs.c.number.asc()
    parts = [
        select(jobs.c.number)
        .where(jobs.c.queue == bindparam("queue"), jobs.c.status == _literal(status))
        .order_by(order)
        .limit(bindparam("part"))
        for status in sorted(statuses)
    ]
    merged = union_all(*(_parenthesised(part) for part in parts)).subquery()
    by_number = merged.c.number.desc() if newest_first else merged.c.number.asc()
    numbers = select(merged.c.number).order_by(by_number).offset(bindparam("start")).limit(bindparam("length"))
    return select(jobs).where(jobs.c.queue == bindparam("queue"), jobs.c.number.in_(numbers)).order_by(order)


def _literal(status: Status) -> sqlalchemy.ColumnElement[str]:
    """Write the status into the statement, so that the planner sees which partial index holds it."""
    return literal_column(f"'{status.value}'", sqlalchemy.Text)


def _parenthesised(part: Select[tuple[int]]) -> Select[tuple[int]]:
    return select(part.subquery().c.number)
