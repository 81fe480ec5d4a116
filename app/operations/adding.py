"""Inserting the jobs of a request, within a transaction: by the settings of the queue, beside the jobs that exist."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from app.domain.deduplication import InsertOutcome
from app.domain.errors import Fault, NoRoom, TooLarge
from app.domain.job import Job, NewJob
from app.infra.room import COPIES, Reservation
from app.postgres.database import Connection, DatabaseError
from app.store import jobs


class Submitted(NamedTuple):
    """The stored job, or the one that is there instead, and what became of the job of the request."""

    job: Job
    outcome: InsertOutcome


class Lately(Enum):
    """What a queue had for new jobs when this process added some last."""

    KEYS = "keys"  # and nothing else
    SETTINGS = "settings"  # `jobs.insert` is not tried: it would insert nothing


_lately: dict[str, Lately] = {}
"""Of some queues that had any."""
lately: Callable[[str], Lately | None] = _lately.get
"""Returns what the queue had for new jobs lately, if it had anything."""
IN_MIND_MAX = 1_000
TWICE = 2
"""So often a response has what defaults add to a job, by tags: in `effective` and in `tags`."""
_FOUND_AT_ONCE = 1_000  # which takes some ms


def keep_in_mind(queue: str, has: Lately | None) -> None:
    """Remember what the queue has for new jobs."""
    _lately.pop(queue, None)
    if len(_lately) == IN_MIND_MAX:
        _lately.clear()
    if has:
        _lately[queue] = has


def submit(conn: Connection, *, queue: str, new: Sequence[NewJob], held: Reservation) -> list[Submitted]:
    """Insert jobs; return them, or those that have their custom ids, in the order of `new`. Raises NoRoom, TooLarge."""
    inserted = _insert(conn, queue, new, held)
    existing = _existing(conn, queue, new, inserted, held)
    return [
        Submitted(stored, InsertOutcome.CREATED)
        if stored
        else Submitted(existing[asked.custom_id or ""], InsertOutcome.DUPLICATE)
        for asked, stored in zip(new, inserted.created, strict=True)
    ]


class _Inserted(NamedTuple):
    """The stored jobs, None where the custom id exists, and how long the jobs are that have these ids."""

    created: list[Job | None]
    sizes: Mapping[str, int]


def _insert(conn: Connection, queue: str, new: Sequence[NewJob], held: Reservation) -> _Inserted:
    """Insert jobs, by the settings of the queue if it has any; reserve memory for what these add.

    Raises NoRoom, TooLarge.

    The insert that knows no settings is tried first: it inserts nothing if the queue has any, or if all ids exist.
    """
    if (had := lately(queue)) is not Lately.SETTINGS:
        created = jobs.insert(conn, queue=queue, new=new, has_keys=had is Lately.KEYS)
        sizes = _sizes(conn, queue, new, created)
        if any(created) or all(job.custom_id in sizes for job in new):
            return _Inserted(created, sizes)
    limit = held.room.per_answer
    most = (limit + sum(len(job.data) + len(job.opts) for job in new)) // TWICE if len(new) > 1 else jobs.ANY_BYTES
    created, has_settings, has_keys, size = jobs.insert_by_settings(conn, queue=queue, new=new, max_bytes=most)
    if any(created):
        keep_in_mind(queue, Lately.SETTINGS if has_settings else Lately.KEYS if has_keys else None)
    if size > most:
        message = (
            f"with the defaults of the queue are together over {limit} bytes longer than these: send fewer at once"
        )
        raise TooLarge(Fault("jobs", message))
    if not held.take_long(size * TWICE * COPIES, is_patient=False):  # other transactions may wait for their ids
        raise NoRoom
    return _Inserted(created, _sizes(conn, queue, new, created))


def _sizes(conn: Connection, queue: str, new: Sequence[NewJob], created: Sequence[Job | None]) -> Mapping[str, int]:
    """Return how long the jobs are that have the custom ids of those that were not stored."""
    taken = {job.custom_id for job, stored in zip(new, created, strict=True) if stored is None and job.custom_id}
    return jobs.sizes(conn, queue=queue, job_ids=sorted(taken)) if taken else {}


def _existing(
    conn: Connection, queue: str, new: Sequence[NewJob], inserted: _Inserted, held: Reservation
) -> dict[str, Job]:
    """Return the jobs whose custom ids existed before, or come from an earlier job of the same array.

    Raises DatabaseError, for another try, if one was removed since the insert met it.
    """
    pairs = zip(new, inserted.created, strict=True)
    taken = [job.custom_id for job, stored in pairs if stored is None and job.custom_id]
    existing = find(conn, queue=queue, job_ids=taken, sizes=inserted.sizes, new=new, held=held)
    if len(existing) < len(set(taken)):
        raise removed()
    return existing


def find(
    conn: Connection,
    *,
    queue: str,
    job_ids: Collection[str],
    sizes: Mapping[str, int],
    new: Sequence[NewJob],
    held: Reservation,
) -> dict[str, Job]:
    """Return those of the jobs that exist, whose `sizes` are known, once there is memory for a response with them.

    `job_ids` names a job as often as the response does. Raises NoRoom; TooLarge if it would be too much longer than
    the request with `new`.
    """
    size = sum(sizes.get(job_id, 0) for job_id in job_ids)
    limit = held.room.per_answer
    if len(job_ids) > 1 and size > limit + sum(len(job.data) + len(job.opts) for job in new):
        message = f"have ids of existing jobs, together over {limit} bytes longer than these: send fewer at once"
        raise TooLarge(Fault("jobs", message))
    if not held.take_long(size * COPIES, is_patient=False):  # other transactions wait for these ids
        raise NoRoom
    found: dict[str, Job] = {}
    wanted = sorted(sizes)
    for first in range(0, len(wanted), _FOUND_AT_ONCE):
        found |= jobs.find(conn, queue=queue, job_ids=wanted[first : first + _FOUND_AT_ONCE])
    return found


def removed() -> DatabaseError:
    """Return the error after which the transaction is tried again."""
    return DatabaseError("a job was removed while its id was added again", is_worth_another_try=True)
