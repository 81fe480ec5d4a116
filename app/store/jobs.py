"""Jobs: insert, find, promote, and the verbs of one job."""

import time
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy

from app.domain import fingerprint, ids
from app.domain.attempts import CANCELLED_REASON, UNSTARTED_REASON, FailedCode
from app.domain.job import Change, Job, JobKey, JsonText, LeaseKey, LockedJob, NewJob
from app.domain.scan import Place
from app.infra.cooperation import in_pieces
from app.postgres.database import Connection
from app.store import options, retention, rows, terms
from app.store.statements import Statement, fragment, whole
from app.store.tables import jobs


def _with_terms(text: str) -> str:
    """Return the same insert for jobs with tags, and for queues with keys, which stores the terms of jobs too."""
    text = text.replace(" or keys is not null)", ")").replace("returning null as was,", f"{_RETURNING} null as was,")
    inserted, result = text.rsplit("select number, custom_id", maxsplit=1)
    termed = whole(fragment("found_by"))
    return f"{inserted.rstrip()},\n{termed}select number, custom_id{result}"


_RETURNING = """returning
        tags,
        case
            when exists (select from rowline.queue_settings where queue = :queue and keys is not null) then data
        end as data,
"""
_insert = Statement("jobs/insert")
_insert_one = Statement("jobs/insert_one")
_insert_found, _insert_one_found = (Statement(each.name, change=_with_terms) for each in (_insert, _insert_one))
_insert_by_settings = Statement("jobs/insert_by_settings")
_find = Statement("jobs/find")
_sizes = Statement("jobs/sizes")
_try_promotion = Statement("jobs/try_promotion")
_promote = Statement("jobs/promote")
_queues_with_due = Statement("jobs/queues_with_due")
_queues_with_ready = Statement("jobs/queues_with_ready")
_next_due = Statement("jobs/next_due")
_cancel = Statement("jobs/cancel")
_unstarted = Statement("jobs/unstarted")
_fail_unstarted = Statement("jobs/fail_unstarted")
_request_cancel = Statement("jobs/request_cancel")
_numbers = Statement("jobs/numbers")
_lock = Statement("jobs/lock")
_retry = Statement("jobs/retry")
_promote_now = Statement("jobs/promote_now")
_change = Statement("jobs/change")
_change_data = Statement("jobs/change_data")
_remove_job = Statement("jobs/remove_job")
_remove_replaced = Statement("jobs/remove_job", verb="replace")
_remove_active = Statement("jobs/remove_active")
_ended = Statement("jobs/ended")

PROMOTION_PATIENCE_S, PROMOTION_PAUSE_S = 0.3, 0.003
"""How long a promotion waits for another one of the queue, and how often it tries."""
CANCELLED, UNSTARTED = fingerprint.of(CANCELLED_REASON), fingerprint.of(UNSTARTED_REASON)
"""The fingerprints of failures whose reasons are always the same."""
ANY_BYTES = 2**62
"""More bytes than any job has."""


def insert(conn: Connection, *, queue: str, new: Sequence[NewJob], has_keys: bool = False) -> list[Job | None]:
    """Insert `new` in its order. Return the stored job for each, in the same order; None where its custom id exists.

    Inserts none if the queue has settings for new jobs: `insert_by_settings` does. If it `has_keys`, as far as the
    caller knows, keys are no such setting. Waits for another that adds the same custom id. Numbers grow in the order
    of `new`.
    """
    if len(new) == 1:
        [job] = new
        statement = _insert_one_found if has_keys or job.tags else _insert_one
        inserted = statement.rows(conn, queue=queue, **options.of_one(job))
        return [rows.added(job, inserted[0], queue=queue) if inserted else None]
    statement = _insert_found if has_keys or any(job.tags for job in new) else _insert
    inserted = statement.rows(conn, queue=queue, **options.of_many(new))
    pairs = [*zip(new, _in_order(new, inserted), strict=True)]
    return [row and rows.added(job, row, queue=queue) for part in in_pieces(pairs) for job, row in part]


class Inserted(NamedTuple):
    """What `insert` returns, what the queue has for new jobs, and how long `effective` of all jobs is.

    All but the first if any job was inserted.
    """

    created: list[Job | None]
    has_settings: bool  # besides keys
    has_keys: bool
    effective_bytes: int


def insert_by_settings(conn: Connection, *, queue: str, new: Sequence[NewJob], max_bytes: int = ANY_BYTES) -> Inserted:
    """Do what `insert` does, by the settings of the queue, if it has any.

    They are its defaults, for options that a job does not have, and the time within which a job has to start. If
    `effective` of all jobs is longer than `max_bytes`, they are returned without it, and without their tags.
    """
    inserted = _insert_by_settings.rows(conn, queue=queue, max_bytes=max_bytes, **options.of_many(new))
    pairs = [*zip(new, _in_order(new, inserted), strict=True)]
    created = [row and rows.added_by_settings(job, row, queue=queue) for part in in_pieces(pairs) for job, row in part]
    if not inserted:
        return Inserted(created, has_settings=False, has_keys=False, effective_bytes=0)
    first = inserted[0]
    return Inserted(created, first.has_settings, first.has_keys, effective_bytes=first.bytes)


def insert_columns(conn: Connection, *, queue: str, columns: Mapping[str, Any]) -> JobKey | None:
    """Insert a job by the columns that it sets, as `insert_by_settings` does; None if its custom id exists.

    A node of another release may have written the columns: those that this one does not know are passed over.
    """
    values = {name: [columns.get(name)] for name in options.SET}
    inserted = _insert_by_settings.rows(conn, queue=queue, max_bytes=ANY_BYTES, **values)
    return JobKey(queue, inserted[0].number) if inserted else None


def _in_order(new: Sequence[NewJob], inserted: Sequence[Any]) -> list[Any]:
    """Return the row of each job; None where there is none, since its custom id exists."""
    by_custom_id = {row.custom_id: row for row in inserted if row.custom_id is not None}
    numbered = iter(sorted((row for row in inserted if row.custom_id is None), key=attrgetter("number")))
    return [next(numbered, None) if job.custom_id is None else by_custom_id.pop(job.custom_id, None) for job in new]


def find(conn: Connection, *, queue: str, job_ids: Collection[str], max_bytes: int = ANY_BYTES) -> dict[str, Job]:
    """Return the jobs that exist, by id, without those whose texts are longer than `max_bytes`."""
    numbers, custom_ids = _parted(job_ids)
    found = map(rows.job, _find.rows(conn, queue=queue, numbers=numbers, custom_ids=custom_ids, max_bytes=max_bytes))
    return {job.id: job for job in found}


def sizes(conn: Connection, *, queue: str, job_ids: Collection[str]) -> dict[str, int]:
    """Return the length in bytes of the texts of the jobs that exist, by id."""
    numbers, custom_ids = _parted(job_ids)
    return {row.id: row.bytes for row in _sizes.rows(conn, queue=queue, numbers=numbers, custom_ids=custom_ids)}


def _parted(job_ids: Collection[str]) -> tuple[list[int], list[str]]:
    """Split the ids into the numbers of generated ones and custom ids."""
    numbers = [number for job_id in job_ids if (number := ids.generated(job_id)) is not None]
    return numbers, [job_id for job_id in job_ids if not ids.is_digits(job_id)]


def numbers(conn: Connection, *, queue: str, job_ids: Collection[str]) -> dict[str, int]:
    """Return the numbers of jobs by their ids. Generated ids are not looked up, so that their jobs may not exist."""
    found = {job_id: number for job_id in job_ids if (number := ids.generated(job_id)) is not None}
    custom_ids = [job_id for job_id in job_ids if not ids.is_digits(job_id)]
    rows = _numbers.rows(conn, queue=queue, custom_ids=custom_ids) if custom_ids else []
    return found | {row.custom_id: row.number for row in rows}


def lock(conn: Connection, *, queue: str, numbers: Sequence[int]) -> list[LockedJob]:
    """Lock those of the jobs that exist until the transaction ends, by number. Waits for row locks."""
    return [*map(rows.locked, _lock.rows(conn, queue=queue, numbers=numbers))]


def exists(conn: Connection, *, queue: str, number: int) -> bool:
    """Return whether the job exists."""
    mine = (jobs.c.queue == queue, jobs.c.number == number)
    return conn.execute(sqlalchemy.select(sqlalchemy.literal(1)).where(*mine)).first() is not None


def ended(conn: Connection, waited: Sequence[JobKey]) -> list[JobKey]:
    """Return those of the jobs that are completed or failed, or that do not exist."""
    queues, numbers = [key.queue for key in waited], [key.number for key in waited]
    return [JobKey(row.queue, row.number) for row in _ended.rows(conn, queues=queues, numbers=numbers)]


Effectives = Sequence[JsonText | None]
"""For each job the options that hold from now on instead of those sent; None: none do."""


def cancel(conn: Connection, *, queue: str, numbers: Sequence[int]) -> set[int]:
    """Fail those of the jobs that are ready or delayed; return them. Waits for row locks. None is removed then."""
    why = {"reason": CANCELLED_REASON, "code": FailedCode.CANCELLED, "fingerprint": CANCELLED}
    return _changed(_cancel, conn, queue=queue, numbers=numbers, **why)


def request_cancel(conn: Connection, *, queue: str, numbers: Sequence[int]) -> set[int]:
    """Request the cancel of those of the jobs that are active; return them. Leases stay. Waits for row locks."""
    return _changed(_request_cancel, conn, queue=queue, numbers=numbers)


def retry(
    conn: Connection,
    *,
    queue: str,
    numbers: Sequence[int],
    reset_attempts: bool,
    attempts: Sequence[int | None] | None = None,
    effectives: Effectives | None = None,
) -> set[int]:
    """Make those of the jobs that have ended ready again; return them. The caller has locked them.

    `numbers` are in ascending order. `attempts`: how many each may make, None: as many as before.
    """
    nothing = [None] * len(numbers)
    asked = {"reset_attempts": reset_attempts, "attempts": attempts or nothing, "effectives": effectives or nothing}
    return _changed(_retry, conn, queue=queue, numbers=numbers, **asked)


def promote_now(
    conn: Connection, *, queue: str, numbers: Sequence[int], effectives: Effectives | None = None
) -> set[int]:
    """Make those of the jobs that are delayed ready; return them. The caller has locked them; ascending numbers."""
    asked = {"effectives": effectives or [None] * len(numbers)}
    return _changed(_promote_now, conn, queue=queue, numbers=numbers, **asked)


def change(
    conn: Connection, *, queue: str, numbers: Sequence[int], change: Change, effectives: Effectives | None = None
) -> set[int]:
    """Change those of the jobs that are ready or delayed; return them. They are locked; ascending numbers."""
    asked = options.of_change(change) | {"effectives": effectives or [None] * len(numbers)}
    if change.tags is None and change.data is None:
        return _changed(_change, conn, queue=queue, numbers=numbers, **asked)
    terms.forget(conn, queue=queue, numbers=numbers)
    changed = _changed(_change, conn, queue=queue, numbers=numbers, **asked)
    terms.fill(conn, queue=queue, numbers=numbers)
    return changed


def _changed(statement: Statement, conn: Connection, **asked: Any) -> set[int]:
    return {row.number for row in statement.rows(conn, **asked)}


def change_data(conn: Connection, *, queue: str, lease: LeaseKey, data: JsonText) -> bool:
    """Change the data of an active job; return whether the lease is held. The caller has locked the job."""
    asked = {"number": lease.number, "token": lease.token, "data": data}
    if not terms.has_keys(conn, queue=queue):
        return bool(_change_data.rows(conn, queue=queue, **asked))
    terms.forget(conn, queue=queue, numbers=[lease.number])
    is_changed = bool(_change_data.rows(conn, queue=queue, **asked))
    terms.fill(conn, queue=queue, numbers=[lease.number])
    return is_changed


def remove(conn: Connection, *, queue: str, numbers: Sequence[int], are_replaced: bool = False) -> int:
    """Delete jobs that are not active, their attempts and their logs; return how many. The caller has locked them.

    `are_replaced`: others take their places, and so it is told.
    """
    statement = _remove_replaced if are_replaced else _remove_job
    return len(statement.rows(conn, queue=queue, numbers=numbers)) if numbers else 0


def remove_active(conn: Connection, *, queue: str, numbers: Sequence[int]) -> int:
    """Delete jobs that are active, their attempts and their logs; return how many. The caller has locked them."""
    return len(_remove_active.rows(conn, queue=queue, numbers=numbers)) if numbers else 0


def promote(conn: Connection, *, queue: str, limit: int, patience_s: float = PROMOTION_PATIENCE_S) -> int:
    """Make up to `limit` due jobs of `queue` ready; return how many.

    If any is due, waits up to `patience_s` for a promotion by another process: its jobs, not yet committed, could not
    be claimed in their order. No longer, because any role of the database can hold that advisory lock; it protects
    nothing else.
    """
    if next_due_ms(conn, queue=queue) != 0:
        return 0
    ends_at = time.monotonic() + patience_s
    while not _try_promotion.rows(conn, queue=queue)[0].is_mine and time.monotonic() < ends_at:
        time.sleep(PROMOTION_PAUSE_S)
    return len(_promote.rows(conn, queue=queue, limit=limit))


class DuePlace(NamedTuple):
    """A position among the delayed jobs of all queues, in the order in which they are due."""

    at: str
    number: int


FIRST_DUE = DuePlace("-infinity", 0)


class Due(NamedTuple):
    """The queues of some due jobs, how many jobs these are, and the place of the last one."""

    queues: list[str]
    found: int
    last: DuePlace


def queues_with_due(conn: Connection, *, limit: int, after: DuePlace = FIRST_DUE) -> Due:
    """Return the queues of the first `limit` jobs of all queues that are due after a place."""
    found = _queues_with_due.rows(conn, limit=limit, after_at=after.at, after_number=after.number)
    if not found:
        return Due([], 0, after)
    [row] = found
    return Due(row.queues, row.found, DuePlace(row.last_at, row.last_number))


class StartPlace(NamedTuple):
    """A position among the jobs of all queues that have to start by a time, in the order of these times."""

    start_by: int
    number: int


FIRST_START = StartPlace(0, 0)


class Unstarted(NamedTuple):
    """Numbers of jobs that should have started by now, by queue; how many were found, and the place of the last one."""

    numbers: dict[str, list[int]]
    found: int
    last: StartPlace

    @property
    def is_cut(self) -> bool:
        """Whether more were found than there are numbers."""
        return sum(map(len, self.numbers.values())) < self.found


def unstarted(conn: Connection, *, limit: int, most: int, after: StartPlace = FIRST_START) -> Unstarted:
    """Find `limit` jobs of all queues after a place that should have started by now, and have not.

    Return those that should have started first, up to `most` of each queue.
    """
    found = _unstarted.rows(conn, limit=limit, most=most, after=after.start_by, after_number=after.number)
    if not found:
        return Unstarted({}, 0, after)
    numbers = {row.queue: row.numbers for row in found}
    return Unstarted(numbers, found[0].found, StartPlace(found[0].last_start_by, found[0].last_number))


def fail_unstarted(conn: Connection, *, queue: str, numbers: Sequence[int]) -> int:
    """Fail those of the jobs that should have started by now, and have not; return how many. Some are removed then.

    Skips locked rows.
    """
    why = {"reason": UNSTARTED_REASON, "code": FailedCode.START_BY, "fingerprint": UNSTARTED}
    failed = _fail_unstarted.rows(conn, queue=queue, numbers=numbers, **why)
    retention.remove_at_once(conn, queue=queue, numbers=[row.number for row in failed if row.goes])
    return len(failed)


def queues_with_ready(conn: Connection, *, starts: Mapping[str, Place]) -> list[str]:
    """Return the queues that have a due job, or a ready one at or after the place in `starts`."""
    places = starts.values()
    found = _queues_with_ready.rows(
        conn,
        queues=list(starts),
        from_priorities=[place.priority for place in places],
        from_places=[place.place for place in places],
    )
    return [row.queue for row in found]


def next_due_ms(conn: Connection, *, queue: str) -> int | None:
    """Return in how many ms the next delayed job of `queue` is due, 0 if one is due; None if none is delayed."""
    found = _next_due.rows(conn, queue=queue)
    return found[0].ms if found else None
