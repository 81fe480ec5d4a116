"""Adding jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from app.domain.errors import Fault, KeyInUse, KeyReused, NoRoom, TooLarge
from app.domain.job import Job, NewJob
from app.domain.keys import IdempotencyKey
from app.infra import room
from app.infra.room import COPIES, SMALL, Reservation
from app.operations import operation
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import Connection, Database, DatabaseError
from app.store import jobs, keys

TOGETHER_MAX = 100
"""The maximum of jobs of different requests that one statement inserts."""
TOGETHER_MAX_BYTES = 16 * 2**10
"""The maximum of such a job, in characters: a longer one would delay the others, and gain less."""


class InsertOutcome(StrEnum):
    """Whether a job of a request was created."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # its custom id exists; the existing job is unchanged


class Submitted(NamedTuple):
    """The stored job, and whether this call created it."""

    job: Job
    outcome: InsertOutcome


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a request with an idempotency key, and whether it is repeated from an earlier one."""

    text: str
    is_replay: bool


@operation
def submit_many(db: Database, *, queue: str, new: Sequence[NewJob], held: Reservation | None = None) -> list[Submitted]:
    """Add all of `new` or none; return the stored jobs, in the same order.

    One transaction; without custom ids one statement. Waits, up to lock_timeout, for a transaction that adds the same
    custom id. `held` reserves memory for the existing jobs that are returned. Raises NoRoom, and TooLarge if these are
    longer together than `new` by more than the limit of a response; nothing is added then.
    """
    if not new:
        return []
    if all(job.custom_id is None for job in new) and not _had_settings(queue):
        with db.write_once(notify=queue) as conn:
            created = jobs.insert(conn, queue=queue, new=new)
        if created[0]:
            return [Submitted(job, InsertOutcome.CREATED) for job in created if job]
        _keep_in_mind(queue, has_settings=True)
    with db.begin() as conn:
        submitted = _submit(conn, queue, new, held)
    db.notify(queue)
    return submitted


class Submissions:
    """Combines simultaneous requests of one process, each with one job for the same queue, into one statement."""

    def __init__(self, db: Database) -> None:
        """Start without pending requests."""
        self._db = db
        self._singles: RequestCoalescer[NewJob, Submitted] = RequestCoalescer(self._together, max_batch=TOGETHER_MAX)

    def submit_many(self, *, queue: str, new: Sequence[NewJob], held: Reservation | None = None) -> list[Submitted]:
        """Do what `submit_many` does. Combined requests share the commit and errors of the database, nothing else.

        Jobs with custom ids, which may wait for another transaction, are not combined.
        """
        if len(new) == 1 and new[0].custom_id is None and len(new[0].data) + len(new[0].opts) <= TOGETHER_MAX_BYTES:
            return [self._singles.submit(queue, new[0])]
        return submit_many(self._db, queue=queue, new=new, held=held)

    def _together(self, queue: str, new: Sequence[NewJob]) -> list[Submitted]:
        return submit_many(self._db, queue=queue, new=new)


@operation
def submit_once(
    db: Database,
    *,
    queue: str,
    new: Sequence[NewJob],
    key: IdempotencyKey,
    keep_ms: int,
    answer: Callable[[Sequence[Submitted]], str],
    held: Reservation | None = None,
    admit: Callable[[Connection], None] = lambda _conn: None,
) -> Reply:
    """Add `new` as `submit_many` does; if `key` has a response not older than `keep_ms`, return that instead.

    One transaction stores the jobs, the key and the response that `answer` returns. Raises KeyInUse while another
    transaction uses the key, KeyReused if the key was used with another body, what `admit` raises, which is called
    before jobs are added, again if the transaction is tried again, and what `submit_many` raises.
    """
    with db.begin() as conn:
        if not keys.try_lock(conn, queue=queue, key=key):
            raise KeyInUse("the first request with this Idempotency-Key is still running: wait, then repeat it")
        answered = keys.find(conn, queue=queue, key=key, keep_ms=keep_ms, max_bytes=SMALL)
        if answered and answered.body_digest != key.body_digest:
            raise KeyReused(Fault("Idempotency-Key", "was used for a request with another body"))
        if answered and answered.answer is None:
            if not (held or room.alone()).take_long(answered.size * COPIES, is_patient=False):  # the key is locked
                raise NoRoom
            answered = keys.find(conn, queue=queue, key=key, keep_ms=keep_ms, max_bytes=answered.size)
        if answered and answered.answer is not None:
            return Reply(answered.answer, is_replay=True)
        admit(conn)
        text = answer(_submit(conn, queue, new, held) if new else [])
        keys.keep(conn, queue=queue, key=key, answer=text)
    db.notify(queue)
    return Reply(text, is_replay=False)


_queues_with_settings: set[str] = set()
"""Some queues that had settings for new jobs lately, for which `jobs.insert` is not tried: it would insert nothing."""
IN_MIND_MAX = 1_000
TWICE = 2
"""So often a response has what defaults add to a job, by tags: in `effective` and in `tags`."""


def _had_settings(queue: str) -> bool:
    return queue in _queues_with_settings


def _keep_in_mind(queue: str, *, has_settings: bool) -> None:
    if not has_settings:
        _queues_with_settings.discard(queue)
    elif len(_queues_with_settings) < IN_MIND_MAX or queue in _queues_with_settings:
        _queues_with_settings.add(queue)
    else:
        _queues_with_settings.clear()


def _submit(conn: Connection, queue: str, new: Sequence[NewJob], held: Reservation | None) -> list[Submitted]:
    held = held or room.alone()
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
    if not _had_settings(queue):
        created = jobs.insert(conn, queue=queue, new=new)
        sizes = _sizes(conn, queue, new, created)
        if any(created) or all(job.custom_id in sizes for job in new):
            return _Inserted(created, sizes)
    limit = held.room.per_answer
    most = (limit + sum(len(job.data) + len(job.opts) for job in new)) // TWICE if len(new) > 1 else jobs.ANY_BYTES
    created, has_settings, size = jobs.insert_by_settings(conn, queue=queue, new=new, max_bytes=most)
    if any(created):
        _keep_in_mind(queue, has_settings=has_settings)
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
    return dict(jobs.sizes(conn, queue=queue, job_ids=sorted(taken))) if taken else {}


def _existing(
    conn: Connection, queue: str, new: Sequence[NewJob], inserted: _Inserted, held: Reservation
) -> dict[str, Job]:
    """Return the jobs whose custom ids existed before, or come from an earlier job of the same array.

    Raises DatabaseError, for another try, if one was removed since the insert met it.
    """
    taken = [
        job.custom_id for job, stored in zip(new, inserted.created, strict=True) if stored is None and job.custom_id
    ]
    if not taken:
        return {}
    custom_ids = sorted(set(taken))
    if len(inserted.sizes) < len(custom_ids):
        raise _removed()
    size = sum(inserted.sizes[custom_id] for custom_id in taken)
    limit = held.room.per_answer
    if len(taken) > 1 and size > limit + sum(len(job.data) + len(job.opts) for job in new):
        message = f"have ids of existing jobs, together over {limit} bytes longer than these: send fewer at once"
        raise TooLarge(Fault("jobs", message))
    if not held.take_long(size * COPIES, is_patient=False):  # other transactions wait for these ids
        raise NoRoom
    existing = jobs.find(conn, queue=queue, job_ids=custom_ids)
    if len(existing) < len(custom_ids):
        raise _removed()
    return existing


def _removed() -> DatabaseError:
    return DatabaseError("a job was removed while its id was added again", is_worth_another_try=True)
