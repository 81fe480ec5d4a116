"""Reads of jobs: one job, or a page with counts."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    bindparam,
    case,
    literal_column,
    select,
    true,
    union_all,
)

from app.domain.errors import JobNotFound, NoRoom
from app.domain.job import Job
from app.domain.states import Status
from app.infra import room
from app.infra.room import BLIND, COPIES, SMALL, Reservation
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import Connection, Database, DatabaseError
from app.queries import bounds
from app.queries.permits import NEAR, long_read
from app.store import counts, rows
from app.store import jobs as store
from app.store.statements import Statement, composed
from app.store.tables import jobs

JOB = tuple(jobs.c[name] for name in rows.JOB)
Reserve = Callable[[], Reservation]
"""Returns the reservation of the response; only long ones need it."""
TOGETHER_MAX = 32
"""The most callers whose jobs are read by one statement."""
PAGES_MAX = 8
"""The most callers whose pages are read in one snapshot."""
NOT_STARTED = (Status.WAITING, Status.PRIORITIZED, Status.DELAYED)
OTHERS, OTHERS_A_JOB = 50, 4
"""How many jobs of other queues a page of all statuses passes by, plus how many for each job before its end.

Where there are more, it is read again, from the indexes of the statuses.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A page of a queue: `length` jobs from offset `start` over all of `statuses`, in the order of adding.

    With `after` it begins after the job of that number instead, whatever was added or removed since.
    """

    statuses: tuple[Status, ...]
    start: int = 0
    length: int = 0
    newest_first: bool = True
    after: int | None = None

    @property
    def offset(self) -> int:
        """How many jobs PostgreSQL skips."""
        return self.start if self.after is None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Jobs of a queue, and their counts in each status asked for, in one snapshot.

    `is_truncated`: more were asked for, but a response with them would be too long.
    """

    counts: dict[Status, int]
    jobs: list[Job]
    is_truncated: bool = False


class Lookup:
    """Reads single jobs; concurrent calls in one process share a statement."""

    def __init__(self, db: Database) -> None:
        """Read from `db`."""
        self._db = db
        self._coalescer: RequestCoalescer[str, Job | None] = RequestCoalescer(
            self._found, max_batch=TOGETHER_MAX, abort_error=DatabaseError
        )

    def find(self, *, queue: str, job_id: str, reserve: Reserve = room.alone) -> Job:
        """Read one job; a long one if `reserve` can reserve memory for it. Raises JobNotFound, NoRoom."""
        found = self._coalescer.submit(queue, job_id) or self._long(queue, job_id, reserve)
        if found is None:
            raise JobNotFound.of(queue, job_id)
        return found

    def _found(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        """Read the jobs that exist and are not long; None for the others."""
        with self._db.read_once() as conn:
            found = store.find(conn, queue=queue, job_ids=set(job_ids), max_bytes=SMALL)
        return [found.get(job_id) for job_id in job_ids]

    def _long(self, queue: str, job_id: str, reserve: Reserve) -> Job | None:
        """Read a job that may be long, or may not exist."""
        with self._db.read_once() as conn:
            size = store.sizes(conn, queue=queue, job_ids=[job_id]).get(job_id)
        if size is None:
            return None
        if not reserve().take(size * COPIES):
            raise NoRoom
        with self._db.read_once() as conn:
            return store.find(conn, queue=queue, job_ids=[job_id]).get(job_id)


class Pages:
    """Reads pages; concurrent calls in one process share a snapshot, and equal pages are read once.

    Only near ones are read together: a deep one would delay the others.
    """

    def __init__(self, db: Database) -> None:
        """Read from `db`."""
        self._db = db
        self._coalescer: RequestCoalescer[Part, Page | None] = RequestCoalescer(
            self._read, max_batch=PAGES_MAX, abort_error=DatabaseError
        )

    def read(self, *, queue: str, part: Part, reserve: Reserve = room.alone) -> Page:
        """Read a page; a long one if `reserve` can reserve memory for it. Raises DatabaseError, NoRoom.

        Calls that share a snapshot share its errors. A page that is too long for a response is cut.
        """
        end = part.offset + part.length
        page = self._coalescer.submit(queue, part) if end <= NEAR else self._deep(queue, part)
        if page is not None:
            return page
        with long_read(self._db, if_beyond=end):
            return self._long(queue, part, reserve())

    def _deep(self, queue: str, part: Part) -> Page | None:
        """Read one page, but nothing if the queue does not have so many jobs."""
        with self._db.read_once() as conn:
            numbers = counts.count(conn, queue=queue)
        if part.offset >= sum(numbers[status] for status in part.statuses):
            return _page(numbers, part, ())
        with long_read(self._db):
            return self._read(queue, [part])[0]

    def _read(self, queue: str, parts: Sequence[Part]) -> list[Page | None]:
        """Read the pages, equal ones once; None for pages with a long job."""
        pages = self._pages(queue, dict.fromkeys(parts), is_by_number=True)
        if short := [part for part, page in pages.items() if _may_have_more(part, page)]:
            pages |= self._pages(queue, short, is_by_number=False)
        return [None if page.is_truncated else page for page in [pages[part] for part in parts]]

    def _pages(
        self, queue: str, parts: Iterable[Part], *, is_by_number: bool, max_bytes: int | None = None
    ) -> dict[Part, Page]:
        with self._db.read_pipeline() as conn:
            counted = counts.send_count(conn, queue=queue)
            sent = {part: _send(conn, queue, part, is_by_number=is_by_number, max_bytes=max_bytes) for part in parts}
        numbers = counted()
        return {part: _page(numbers, part, found()) for part, found in sent.items()}

    def _long(self, queue: str, part: Part, held: Reservation) -> Page:
        if not held.take(held.room.per_answer * COPIES):
            raise NoRoom
        page = self._pages(queue, [part], is_by_number=True, max_bytes=held.room.per_answer)[part]
        if _may_have_more(part, page):
            return self._pages(queue, [part], is_by_number=False, max_bytes=held.room.per_answer)[part]
        return page


def _page(numbers: Mapping[Status, int], part: Part, found: Sequence[tuple[Any, ...]]) -> Page:
    is_truncated = not rows.are_whole(found)
    whole = filter(rows.is_whole, found) if is_truncated else found
    asked = {status: numbers[status] for status in part.statuses}
    return Page(counts=asked, jobs=[*map(rows.job, whole)], is_truncated=is_truncated)


def _may_have_more(part: Part, page: Page) -> bool:
    """Whether a page that was read by number is short, though the queue may have more jobs behind those of others."""
    if len(page.jobs) == part.length or page.is_truncated or len(part.statuses) < len(Status):
        return False
    return part.after is not None or part.start + len(page.jobs) < sum(page.counts.values())


def _send(
    conn: Connection,
    queue: str,
    part: Part,
    *,
    is_by_number: bool,
    max_bytes: int | None,
) -> Callable[[], Sequence[tuple[Any, ...]]]:
    """Send the statement of a page. Without `max_bytes`, jobs over their share of BLIND come without their texts.

    If `is_by_number`, a page of all statuses ends where too many jobs of other queues are between its own.
    """
    if not part.length:
        return list
    statement = _statement(
        frozenset(part.statuses),
        newest_first=part.newest_first,
        goes_on=part.after is not None,
        is_long=max_bytes is not None,
        is_by_number=is_by_number and len(part.statuses) == len(Status),
    )
    rows = part.offset + part.length
    return statement.send(
        conn,
        queue=queue,
        after=part.after,
        start=part.offset,
        length=part.length,
        rows=rows,
        near=OTHERS + OTHERS_A_JOB * rows,
        max_bytes=BLIND // part.length if max_bytes is None else max_bytes,
    )


@functools.cache  # there are few sets of statuses, and composing a statement takes longer than running it
def _statement(
    statuses: frozenset[Status],
    *,
    newest_first: bool,
    goes_on: bool = False,
    is_long: bool = False,
    is_by_number: bool = False,
) -> Statement:
    """Return the statement of a page: without the texts of long jobs, or, if `is_long`, of the first beyond the limit.

    If `is_by_number`, it is of all statuses, in half the time, but misses jobs behind `near` jobs of the table.

    Computing the sizes costs a fifth of the time of the statement, summing them up more than twice that.
    """
    size = literal_column(rows.BYTES, sqlalchemy.BigInteger)
    found = (_by_number if is_by_number else _merged)(statuses, newest_first=newest_first, goes_on=goes_on)
    if is_long:
        sized = found.add_columns(size.label("bytes")).subquery("sized")
        counted = bounds.within(sized, by="number", is_descending=newest_first).subquery("page")
        return composed(
            "long page", with_texts(counted, if_=counted.c.over == literal_column("0"), newest_first=newest_first)
        )
    page = found.add_columns((size <= bindparam(bounds.MAX_BYTES)).label("is_short")).subquery("page")
    return composed("page", with_texts(page, if_=page.c.is_short, newest_first=newest_first))


def with_texts(page: Subquery, *, if_: ColumnElement[bool], newest_first: bool) -> Select[Any]:
    """Select the jobs of a page; columns that may be long only `if_`."""
    columns = [page.c[name] for name in rows.JOB]
    read = [case((if_, column)).label(column.name) if column.name in rows.TEXTS else column for column in columns]
    return select(*read).order_by(_order(page, newest_first))


def _by_number(statuses: frozenset[Status], *, newest_first: bool, goes_on: bool) -> Select[Any]:
    """Select the queue's jobs of all `statuses` among the first `near` of the primary key, which holds all queues."""
    del statuses
    beyond = _beyond(newest_first=newest_first) if goes_on else ()
    near = select(*JOB).where(*beyond).order_by(_order(jobs, newest_first)).limit(bindparam("near")).subquery("near")
    mine = select(*[near.c[name] for name in rows.JOB]).where(near.c.queue == bindparam("queue"))
    return mine.order_by(_order(near, newest_first)).offset(bindparam("start")).limit(bindparam("length"))


def _merged(statuses: frozenset[Status], *, newest_first: bool, goes_on: bool) -> Select[Any]:
    """Merge the statuses' indexes, each read in order and only as far as the page needs."""
    mine = jobs.c.queue == bindparam("queue")
    beyond = _beyond(newest_first=newest_first) if goes_on else ()
    order = _order(jobs, newest_first)
    parts = [
        select(jobs.c.number)
        .where(mine, *beyond, jobs.c.status == _literal(status))
        .order_by(order)
        .limit(bindparam("rows"))
        for status in sorted(statuses)
    ]
    merged = union_all(*(_parenthesised(part) for part in parts)).subquery()
    numbers = select(merged.c.number).order_by(_order(merged, newest_first))
    shown = numbers.offset(bindparam("start")).limit(bindparam("length")).subquery("shown")
    # Each job by its key: PostgreSQL might go over all jobs in their order to look for those of a subquery or an array.
    # The limit keeps it from computing the size of a job again for each column.
    one = select(*JOB).where(mine, jobs.c.number == shown.c.number).limit(literal_column("1")).lateral("one")
    found = select(*[one.c[name] for name in rows.JOB]).select_from(shown.join(one, true()))
    return found.order_by(_order(one, newest_first)).limit(bindparam("length"))


def _beyond(*, newest_first: bool) -> tuple[ColumnElement[bool], ...]:
    after = bindparam("after", type_=sqlalchemy.BigInteger)
    return (jobs.c.number < after if newest_first else jobs.c.number > after,)


def _order(of: FromClause, newest_first: bool) -> ColumnElement[Any]:  # noqa: FBT001 - of this module alone
    return of.c.number.desc() if newest_first else of.c.number.asc()


def _literal(status: Status) -> ColumnElement[str]:
    """Put the status into the statement as a literal, so that the planner can use its partial index."""
    return literal_column(f"'{status.value}'", sqlalchemy.Text)


def _parenthesised(part: Select[tuple[int]]) -> Select[tuple[int]]:
    return select(part.subquery().c.number)


def waiting(conn: Connection, *, queue: str) -> int:
    """Return how many jobs of `queue` have not started yet: waiting, prioritized or delayed."""
    numbers = counts.count(conn, queue=queue)
    return sum(numbers[status] for status in NOT_STARTED)
