"""What may be known of jobs: one, or a page with counts."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import Select, bindparam, literal_column, select, union_all

from app.domain.errors import JobNotFound
from app.domain.job import Job
from app.domain.states import Status
from app.infra.database import Connection, Database, DatabaseError
from app.infra.gathering import Gathering
from app.store import counts, rows
from app.store import jobs as store
from app.store.statements import Statement, composed
from app.store.tables import jobs

JOB = tuple(jobs.c[name] for name in rows.JOB)
TOGETHER_MOST = 32
"""Callers whose jobs are read by one statement."""
PAGES_MOST = 8
"""Callers whose pages are read in one snapshot."""
NEAR = 1_000
"""Pages that end within so many jobs are near: what others wait for must not take long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Of a queue: `length` jobs from offset `start` over all of `statuses` together, in the order they were added."""

    statuses: tuple[Status, ...]
    start: int = 0
    length: int = 0
    newest_first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a queue's jobs, and how many it has in each status asked for, all at one moment."""

    counts: dict[Status, int]
    jobs: list[Job]


class Lookup:
    """Reads single jobs, by one statement those that callers of one process ask for at the same moment."""

    def __init__(self, db: Database) -> None:
        """Read nothing yet."""
        self._db = db
        self._gathering: Gathering[str, Job | None] = Gathering(
            self._found, most=TOGETHER_MOST, broken_off=DatabaseError
        )

    def find(self, *, queue: str, job_id: str) -> Job:
        """Read one job. Raises JobNotFound."""
        found = self._gathering.ask(queue, job_id)
        if found is None:
            raise JobNotFound.of(queue, job_id)
        return found

    def _found(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        with self._db.read_once() as conn:
            found = store.find(conn, queue=queue, job_ids=set(job_ids))
        return [found.get(job_id) for job_id in job_ids]


class Pages:
    """Reads pages, in one snapshot those that callers of one process ask for at the same moment, each only once."""

    def __init__(self, db: Database) -> None:
        """Read nothing yet."""
        self._db = db
        self._gathering: Gathering[Part, Page] = Gathering(self._read, most=PAGES_MOST, broken_off=DatabaseError)

    def read(self, *, queue: str, part: Part) -> Page:
        """Read a page. Others share the snapshot, and trouble with the database. Raises DatabaseError."""
        if part.start + part.length > NEAR:
            return self._read(queue, [part])[0]
        return self._gathering.ask(queue, part)

    def _read(self, queue: str, parts: Sequence[Part]) -> list[Page]:
        with self._db.read_together() as conn:
            counted = counts.send_count(conn, queue=queue)
            sent = {part: _send(conn, queue, part) for part in dict.fromkeys(parts)}
        numbers = counted()
        pages = {
            part: Page(counts={status: numbers[status] for status in part.statuses}, jobs=[*map(rows.job, found())])
            for part, found in sent.items()
        }
        return [pages[part] for part in parts]


def _send(conn: Connection, queue: str, part: Part) -> Callable[[], Sequence[tuple[Any, ...]]]:
    if not part.length:
        return list
    statement = _statement(frozenset(part.statuses), newest_first=part.newest_first)
    return statement.send(conn, queue=queue, start=part.start, length=part.length, most=part.start + part.length)


@functools.cache  # the statuses asked for are few, and putting a statement together takes longer than running it
def _statement(statuses: frozenset[Status], *, newest_first: bool) -> Statement:
    """Merge the statuses' indexes: each gives its part of the page in order, so no status is read to its end.

    All statuses together are the queue, in the order of the primary key.
    """
    order = jobs.c.number.desc() if newest_first else jobs.c.number.asc()
    mine = jobs.c.queue == bindparam("queue")
    if statuses == frozenset(Status):
        whole = select(*JOB).where(mine).order_by(order)
        return composed("page of all", whole.offset(bindparam("start")).limit(bindparam("length")))
    parts = [
        select(jobs.c.number).where(mine, jobs.c.status == _literal(status)).order_by(order).limit(bindparam("most"))
        for status in sorted(statuses)
    ]
    merged = union_all(*(_parenthesised(part) for part in parts)).subquery()
    by_number = merged.c.number.desc() if newest_first else merged.c.number.asc()
    numbers = select(merged.c.number).order_by(by_number).offset(bindparam("start")).limit(bindparam("length"))
    return composed("page", select(*JOB).where(mine, jobs.c.number.in_(numbers)).order_by(order))


def _literal(status: Status) -> sqlalchemy.ColumnElement[str]:
    """Write the status into the statement, so that the planner sees which partial index holds it."""
    return literal_column(f"'{status.value}'", sqlalchemy.Text)


def _parenthesised(part: Select[tuple[int]]) -> Select[tuple[int]]:
    return select(part.subquery().c.number)
