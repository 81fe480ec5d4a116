"""Jobs: added, and moved into line when due."""

import time
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy

from app.domain import ids
from app.domain.attempts import CANCELLED_REASON
from app.domain.job import Job, NewJob
from app.domain.scan import Place
from app.postgres.database import Connection
from app.store import options, rows
from app.store.statements import Statement
from app.store.tables import jobs

_insert = Statement("jobs/insert")
_insert_one = Statement("jobs/insert_one")
_find = Statement("jobs/find")
_try_promotion = Statement("jobs/try_promotion")
_promote = Statement("jobs/promote")
_queues_with_due = Statement("jobs/queues_with_due")
_queues_with_ready = Statement("jobs/queues_with_ready")
_next_due = Statement("jobs/next_due")
_cancel = Statement("jobs/cancel")
_request_cancel = Statement("jobs/request_cancel")
_numbers = Statement("jobs/numbers")

PROMOTION_PATIENCE_S, PROMOTION_PAUSE_S = 0.3, 0.003
"""How long a claim waits for others that promote, and how often it looks."""
ANY_BYTES = 2**62
"""More than any job has."""


def insert(conn: Connection, *, queue: str, new: Sequence[NewJob]) -> list[Job | None]:
    """Add `new` in its order. Return the stored job for each, in the same order; None where its custom id exists.

    Waits for another transaction that adds the same custom id. Numbers grow in the order of `new`.
    """
    if len(new) == 1:
        [job] = new
        inserted = _insert_one.rows(conn, queue=queue, **options.of_one(job))
        return [rows.added(job, inserted[0], queue=queue) if inserted else None]
    inserted = _insert.rows(conn, queue=queue, **options.of_many(new))
    by_custom_id = {row.custom_id: row for row in inserted if row.custom_id is not None}
    numbered = iter(sorted((row for row in inserted if row.custom_id is None), key=attrgetter("number")))
    found = [next(numbered) if job.custom_id is None else by_custom_id.pop(job.custom_id, None) for job in new]
    return [row and rows.added(job, row, queue=queue) for job, row in zip(new, found, strict=True)]


def find(conn: Connection, *, queue: str, job_ids: Collection[str], most_bytes: int = ANY_BYTES) -> dict[str, Job]:
    """Read those of the jobs that are there, by id, and whose texts are not over `most_bytes`, each."""
    numbers, custom_ids = _parted(job_ids)
    found = map(rows.job, _find.rows(conn, queue=queue, numbers=numbers, custom_ids=custom_ids, most=most_bytes))
    return {job.id: job for job in found}


def sizes(conn: Connection, *, queue: str, job_ids: Collection[str]) -> dict[str, int]:
    """Return how many bytes the texts of those of the jobs are that are there, by id, without reading them."""
    numbers, custom_ids = _parted(job_ids)
    size = sqlalchemy.literal_column(rows.BYTES, sqlalchemy.BigInteger).label("bytes")
    has_number = (jobs.c.number == _any(numbers, sqlalchemy.BigInteger)) & jobs.c.custom_id.is_(None)
    has_id = jobs.c.custom_id == _any(custom_ids, sqlalchemy.Text)
    parts = [
        sqlalchemy.select(jobs.c.number, jobs.c.custom_id, size).where(jobs.c.queue == queue, has)
        for has in (has_number, has_id)
    ]
    found = conn.execute(sqlalchemy.union_all(*parts))
    return {str(row.number) if row.custom_id is None else row.custom_id: row.bytes for row in found}


def _any(values: Sequence[Any], kind: type[sqlalchemy.BigInteger] | type[sqlalchemy.Text]) -> Any:
    return sqlalchemy.func.any(sqlalchemy.bindparam(None, values, sqlalchemy.ARRAY(kind)))


def _parted(job_ids: Collection[str]) -> tuple[list[int], list[str]]:
    """Part the ids that the service gave, as numbers, from those that clients did."""
    numbers = [number for job_id in job_ids if (number := ids.generated(job_id)) is not None]
    return numbers, [job_id for job_id in job_ids if not ids.is_digits(job_id)]


def numbers(conn: Connection, *, queue: str, job_ids: Collection[str]) -> dict[str, int]:
    """Return the numbers of jobs by their ids. An id that the service may have given is not looked up."""
    found = {job_id: number for job_id in job_ids if (number := ids.generated(job_id)) is not None}
    custom_ids = [job_id for job_id in job_ids if not ids.is_digits(job_id)]
    rows = _numbers.rows(conn, queue=queue, custom_ids=custom_ids) if custom_ids else []
    return found | {row.custom_id: row.number for row in rows}


def exists(conn: Connection, *, queue: str, number: int) -> bool:
    """Say whether there is such a job."""
    mine = (jobs.c.queue == queue, jobs.c.number == number)
    return conn.execute(sqlalchemy.select(sqlalchemy.literal(1)).where(*mine)).first() is not None


def cancel(conn: Connection, *, queue: str, number: int) -> bool:
    """End a job that nobody works on; say whether it was one."""
    return bool(_cancel.rows(conn, queue=queue, number=number, cancelled=CANCELLED_REASON))


def request_cancel(conn: Connection, *, queue: str, number: int) -> bool:
    """Ask for the end of a job that somebody works on; say whether it was one. Its lease stays."""
    return bool(_request_cancel.rows(conn, queue=queue, number=number))


def promote(conn: Connection, *, queue: str, limit: int, patience_s: float = PROMOTION_PATIENCE_S) -> int:
    """Move up to `limit` due jobs of `queue` into line; return how many.

    If any is due, waits up to `patience_s` for others that do the same: what they have not committed could not be
    claimed in its place. No longer: whoever may log in to the database can hold their lock, and it guards nothing else.
    """
    if next_due_ms(conn, queue=queue) != 0:
        return 0
    ends_at = time.monotonic() + patience_s
    while not _try_promotion.rows(conn, queue=queue)[0].is_mine and time.monotonic() < ends_at:
        time.sleep(PROMOTION_PAUSE_S)
    return len(_promote.rows(conn, queue=queue, limit=limit))


def queues_with_due(conn: Connection) -> list[str]:
    """Name the queues in which a delayed job is due."""
    return [row.queue for row in _queues_with_due.rows(conn)]


def queues_with_ready(conn: Connection, *, starts: Mapping[str, Place]) -> list[str]:
    """Name those of the queues in which a job is ready, at its place in `starts` or behind, or due."""
    places = starts.values()
    found = _queues_with_ready.rows(
        conn,
        queues=list(starts),
        from_priorities=[place.priority for place in places],
        from_places=[place.place for place in places],
    )
    return [row.queue for row in found]


def next_due_ms(conn: Connection, *, queue: str) -> int | None:
    """Return in how many ms the next delayed job of `queue` is due, 0 if it is; None if none is delayed."""
    found = _next_due.rows(conn, queue=queue)
    return found[0].ms if found else None
