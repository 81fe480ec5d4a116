"""Adding and cancelling jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from app.domain.errors import Fault, JobFinished, JobNotFound, KeyInUse, KeyReused, NoRoom, TooLarge
from app.domain.job import Job, NewJob
from app.domain.keys import IdempotencyKey
from app.infra import room
from app.infra.room import COPIES, SMALL, Held
from app.operations import operation
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import Connection, Database
from app.store import jobs, keys

TOGETHER_MOST = 100
"""Callers whose jobs go into one statement."""
TOGETHER_MAX_BYTES = 16 * 2**10
"""The most that one of them brings: longer ones would hold up the others, and have less to gain."""
CANCEL_TRIES = 3
"""A job may be claimed or released between the two statements of a cancel."""


class Outcome(StrEnum):
    """What became of one job of an array."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # its id existed; the job that is there stays as it is


class Submitted(NamedTuple):
    """The stored job, and whether this call stored it."""

    job: Job
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered under a key: the text, and whether it was given before."""

    text: str
    is_replay: bool


@operation
def submit_many(db: Database, *, queue: str, new: Sequence[NewJob], held: Held | None = None) -> list[Submitted]:
    """Add `new`, all or none, and return what is stored for each, in the same order.

    One transaction; without custom ids one statement. Waits, within lock_timeout, for another that adds the same
    custom id. `held` has room for the jobs whose ids existed. Raises NoRoom, and TooLarge when they are longer together
    than `new` by more than an answer may have; nothing is added then.
    """
    if not new:
        return []
    if all(job.custom_id is None for job in new):
        with db.write_once(announcing=queue) as conn:
            return _submit(conn, queue, new, held)
    with db.begin() as conn:
        submitted = _submit(conn, queue, new, held)
    db.announce(queue)
    return submitted


class Submissions:
    """Adds by one statement what callers of one process add to a queue at the same moment, one job each."""

    def __init__(self, db: Database) -> None:
        """Gather nothing yet."""
        self._db = db
        self._singles: RequestCoalescer[NewJob, Submitted] = RequestCoalescer(self._together, most=TOGETHER_MOST)

    def submit_many(self, *, queue: str, new: Sequence[NewJob], held: Held | None = None) -> list[Submitted]:
        """Do what `submit_many` does. Others share its commit, and trouble with the database, but no fault of a job.

        A custom id may have to wait for another transaction: then nobody else does.
        """
        if len(new) == 1 and new[0].custom_id is None and len(new[0].data) + len(new[0].opts) <= TOGETHER_MAX_BYTES:
            return [self._singles.ask(queue, new[0])]
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
    held: Held | None = None,
) -> Reply:
    """Add `new` as `submit_many` does, unless that was answered under `key` within `keep_ms`: then repeat the answer.

    One transaction holds the jobs, the key and the text that `answer` makes. Raises KeyInUse while another
    transaction uses the key, KeyReused when the key belongs to another body.
    """
    with db.begin() as conn:
        if not keys.hold(conn, queue=queue, key=key):
            raise KeyInUse("the first request with this Idempotency-Key is still running: wait, then repeat it")
        answered = keys.find(conn, queue=queue, key=key, keep_ms=keep_ms)
        if answered and answered.answer is None:
            raise KeyReused(Fault("Idempotency-Key", "was used for a request with another body"))
        if answered and answered.answer is not None:
            return Reply(answered.answer, is_replay=True)
        text = answer(_submit(conn, queue, new, held) if new else [])
        keys.keep(conn, queue=queue, key=key, answer=text)
    db.announce(queue)
    return Reply(text, is_replay=False)


def _submit(conn: Connection, queue: str, new: Sequence[NewJob], held: Held | None) -> list[Submitted]:
    created = jobs.insert(conn, queue=queue, new=new)
    existing = _existing(conn, queue, new, created, held)
    return [
        Submitted(stored, Outcome.CREATED) if stored else Submitted(existing[asked.custom_id or ""], Outcome.DUPLICATE)
        for asked, stored in zip(new, created, strict=True)
    ]


def _existing(
    conn: Connection, queue: str, new: Sequence[NewJob], created: Sequence[Job | None], held: Held | None
) -> dict[str, Job]:
    """Read the jobs whose ids were taken: by an earlier transaction, or by an earlier member of the same array."""
    taken = [job.custom_id for job, stored in zip(new, created, strict=True) if stored is None and job.custom_id]
    if not taken:
        return {}
    held = held or room.alone()
    custom_ids = sorted(set(taken))
    sizes = jobs.sizes(conn, queue=queue, job_ids=custom_ids)
    size = sum(sizes[custom_id] for custom_id in taken)
    most = held.room.per_answer
    if len(taken) > 1 and size > most + sum(len(job.data) + len(job.opts) for job in new):
        message = f"name jobs that exist and that are over {most} bytes longer together than these: send fewer at once"
        raise TooLarge(Fault("jobs", message))
    if not held.take_long(size * COPIES, is_patient=False):  # others wait for these ids
        raise NoRoom
    return jobs.find(conn, queue=queue, job_ids=custom_ids)


@operation
def cancel(db: Database, *, queue: str, job_id: str, held: Held | None = None) -> Job:
    """Cancel a job: fail it, or, if it is active, ask its worker to stop. Return the job after that.

    One transaction: after an error nothing is stored. `held` reserves memory for the job. Raises JobNotFound,
    JobFinished if the job has ended already, and NoRoom.
    """
    with db.begin() as conn:
        number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
        for _ in range(CANCEL_TRIES):
            if number is None:
                break
            if jobs.cancel(conn, queue=queue, number=number) or jobs.request_cancel(conn, queue=queue, number=number):
                return _cancelled(conn, queue, job_id, held or room.alone())
        if number is None or not jobs.exists(conn, queue=queue, number=number):
            raise JobNotFound.of(queue, job_id)
    raise JobFinished(f"job {job_id!r} has ended: there is nothing to cancel")


def _cancelled(conn: Connection, queue: str, job_id: str, held: Held) -> Job:
    found = jobs.find(conn, queue=queue, job_ids=[job_id], most_bytes=SMALL)
    if not found:
        size = jobs.sizes(conn, queue=queue, job_ids=[job_id])[job_id]
        if not held.take(size * COPIES, is_patient=False):  # the job is locked
            raise NoRoom
        found = jobs.find(conn, queue=queue, job_ids=[job_id])
    return found[job_id]
