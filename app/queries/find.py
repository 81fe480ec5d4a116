"""Finds jobs by a filter: of a queue, with its counts, or of all queues that a token may read."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy import ARRAY, BigInteger, bindparam, func, literal_column, select

from app.domain.errors import NoRoom
from app.domain.failures import FailureGroup, Newest
from app.domain.job import Job
from app.domain.jobfilter import JobFilter
from app.domain.states import Status
from app.infra import room
from app.infra.room import BLIND, COPIES
from app.postgres.database import Connection, Database
from app.queries import bounds
from app.queries.jobs import JOB, Reserve, with_texts
from app.queries.permits import long_read
from app.queries.queues import like
from app.store import counts, failures, rows, search, search_all
from app.store.search import Searched
from app.store.statements import Statement, composed
from app.store.tables import jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which jobs are looked for, and how many: behind the job with the number `after`, in the order of adding."""

    wanted: JobFilter
    length: int
    newest_first: bool = True
    after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Jobs that match a filter. `next`: the number behind which there may be more; None: there are none.

    `is_truncated`: more were found, but a response with them would be too long. `counts` are those of the queue.
    """

    jobs: list[Job]
    looked_at: int
    is_complete: bool
    next: int | None
    is_truncated: bool = False
    counts: Mapping[Status, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Groups of failed jobs, the largest first, with what there is to show of their newest jobs.

    `known`: how many groups there are. `ungrouped`: failed jobs that belong to none yet; None if that is not known.
    """

    groups: list[tuple[FailureGroup, Newest]]
    known: int
    is_complete: bool
    ungrouped: int | None


class Finder:
    """Finds jobs; some calls at a time, the others wait in the order of arrival."""

    def __init__(self, db: Database) -> None:
        """Read from `db`."""
        self._db = db

    def find(self, *, queue: str, sought: Sought, reserve: Reserve = room.alone) -> Found:
        """Find jobs of a queue. Raises DatabaseError, NoRoom.

        Jobs that are too long together are read again, as they are then, and cut.
        """
        with long_read(self._db), self._db.read() as conn:
            numbers = counts.count(conn, queue=queue)
            searched = search.search(
                conn,
                queue=queue,
                wanted=sought.wanted,
                most=sought.length,
                after=sought.after,
                newest_first=sought.newest_first,
            )
            read = _read(conn, sought, searched)
        asked = {status: numbers[status] for status in sought.wanted.statuses}
        return self._found(sought, searched, read, reserve=reserve, numbers=asked)

    def find_all(
        self, *, readable: Sequence[str], shown: Sequence[str], sought: Sought, reserve: Reserve = room.alone
    ) -> Found:
        """Find jobs of all queues whose names match one pattern of `readable` and one of `shown`; else as `find`."""
        with long_read(self._db), self._db.read() as conn:
            searched = search_all.search_all(
                conn,
                readable=[*map(like, readable)],
                shown=[*map(like, shown)],
                wanted=sought.wanted,
                most=sought.length,
                after=sought.after,
                newest_first=sought.newest_first,
            )
            read = _read(conn, sought, searched)
        return self._found(sought, searched, read, reserve=reserve, numbers={})

    def failures(self, *, queue: str, start: int, length: int) -> Failures:
        """Return groups of the failed jobs of a queue, the largest first. Raises DatabaseError."""
        with long_read(self._db), self._db.read() as conn:
            failed = counts.count(conn, queue=queue)[Status.FAILED]
            counted = failures.count(conn, queue=queue)
            largest = sorted(counted.groups, key=lambda group: (-group.jobs, group.fingerprint))[start : start + length]
            newest = failures.newest(conn, queue=queue, fingerprints=[group.fingerprint for group in largest])
        rest = max(0, failed - sum(group.jobs for group in counted.groups))
        return Failures(
            groups=[(group, newest[group.fingerprint]) for group in largest],
            known=len(counted.groups),
            is_complete=counted.is_complete,
            ungrouped=rest if counted.is_complete else None,
        )

    def _found(
        self,
        sought: Sought,
        searched: Searched,
        read: Sequence[Any],
        *,
        reserve: Reserve,
        numbers: Mapping[Status, int],
    ) -> Found:
        is_truncated = False
        if not rows.are_whole(read):
            held = reserve()
            if not held.take(held.room.per_answer * COPIES):
                raise NoRoom
            with self._db.read_once() as conn:
                read = _read(conn, sought, searched, max_bytes=held.room.per_answer)
            is_truncated = not rows.are_whole(read)
        found = [rows.job(row) for row in read if rows.is_whole(row)]
        return Found(
            jobs=found,
            looked_at=searched.looked_at,
            is_complete=searched.is_complete,
            next=found[-1].number if is_truncated else _next(sought, searched),
            is_truncated=is_truncated,
            counts=numbers,
        )


def _next(sought: Sought, searched: Searched) -> int | None:
    is_over = searched.is_complete and len(searched.numbers) < sought.length
    return None if is_over or not sought.length else searched.last


def _read(
    conn: Connection, sought: Sought, searched: Searched, *, max_bytes: int | None = None
) -> Sequence[tuple[Any, ...]]:
    """Read the jobs that were found. Without `max_bytes`, jobs over their share of BLIND come without their texts."""
    if not searched.numbers:
        return ()
    statement = _statement(newest_first=sought.newest_first, is_long=max_bytes is not None)
    numbers = "{" + ",".join(map(str, searched.numbers)) + "}"
    limit = BLIND // len(searched.numbers) if max_bytes is None else max_bytes
    return statement.rows(conn, numbers=numbers, length=len(searched.numbers), max_bytes=limit)


@functools.cache
def _statement(*, newest_first: bool, is_long: bool) -> Statement:
    """Return the statement that reads jobs by number: as that of a page of `queries.jobs`."""
    size = literal_column(rows.BYTES, sqlalchemy.BigInteger)
    mine = jobs.c.number == func.any(bindparam("numbers", type_=ARRAY(BigInteger)))
    order = jobs.c.number.desc() if newest_first else jobs.c.number.asc()
    found = select(*JOB).where(mine).order_by(order).limit(bindparam("length"))
    if is_long:
        sized = found.add_columns(size.label("bytes")).subquery("sized")
        counted = bounds.within(sized, by="number", is_descending=newest_first).subquery("page")
        is_within = counted.c.over == literal_column("0")
        return composed("long find", with_texts(counted, if_=is_within, newest_first=newest_first))
    page = found.add_columns((size <= bindparam(bounds.MAX_BYTES)).label("is_short")).subquery("page")
    return composed("find", with_texts(page, if_=page.c.is_short, newest_first=newest_first))
