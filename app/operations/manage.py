"""The verbs of one job: cancel, remove, retry, promote and change it by hand.

Each locks the row of the job, then decides. So of two at the same moment, and of one and a claim or a settlement, one
wins, and the other finds what that made of the job. After an error nothing is stored.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.audit import Act, Actor
from app.domain.errors import JobActive, JobFinished, JobNotDelayed, JobNotFinished, JobNotFound, LeaseLost, NoRoom
from app.domain.job import Change, Job, JsonText, LeaseKey, LockedJob
from app.domain.states import ACTIVE
from app.infra import room
from app.infra.room import COPIES, SMALL, Reservation
from app.operations import operation, verbs
from app.postgres.database import Connection, Database
from app.store import audit, jobs

_NAMES = {"delay_ms": "delay"}
"""The names of fields of `Change` in the API, where they differ."""


@operation
def cancel(db: Database, *, actor: Actor, queue: str, job_id: str, held: Reservation | None = None) -> Job:
    """Cancel a job: fail it, or, if it is active, ask its worker to stop. Return the job after that.

    One that is not to be kept when it has failed is removed then.
    `held` reserves memory for the job. Raises JobNotFound, JobFinished if the job has ended already, and NoRoom.
    """
    with _locking(db, queue, job_id) as (conn, locked):
        if not verbs.cancel(conn, queue, [locked]):
            raise JobFinished(f"job {job_id!r} has ended: there is nothing to cancel")
        job = _read(conn, queue, job_id, held)
        verbs.remove_at_once(conn, queue, [locked])
        after = {"status": job.status.value}
        audit.note(conn, actor, Act(action="jobs.cancel", queue=queue, target=job.id, after=after))
    return job


@operation
def remove_job(db: Database, *, actor: Actor, queue: str, job_id: str, held: Reservation | None = None) -> Job:
    """Delete a job that is not active, with its attempts and its log; return the job as it was.

    `held` reserves memory for the job. Raises JobNotFound, JobActive, NoRoom.
    """
    with _locking(db, queue, job_id) as (conn, locked):
        if locked.status in ACTIVE:
            raise JobActive(f"job {job_id!r} is active: cancel it, and remove it when its attempt has ended")
        job = _read(conn, queue, job_id, held)
        verbs.remove(conn, queue, [locked])
        before = {"status": locked.status.value, "name": locked.name}
        audit.note(conn, actor, Act(action="jobs.remove", queue=queue, target=job.id, before=before))
    return job


@operation
def retry(
    db: Database,
    *,
    actor: Actor,
    queue: str,
    job_id: str,
    reset_attempts: bool = True,
    data: JsonText | None = None,
    held: Reservation | None = None,
) -> Job:
    """Make a job that has ended ready again, at once, as the latest comer of its kind; return the job after that.

    `reset_attempts`: no attempts count as made. Otherwise those made count, and one more is allowed at least.
    `data`: what it has from then on; no attempt begins with the old ones. None: as they were. `held` reserves memory
    for the job. Raises JobNotFound, JobNotFinished, NoRoom.
    """
    with _locking(db, queue, job_id) as (conn, locked):
        if not verbs.retry(conn, queue, [locked], reset_attempts=reset_attempts):
            raise JobNotFinished(f"job {job_id!r} is {locked.status}: only completed and failed jobs can be retried")
        if data is not None:
            verbs.change(conn, queue, jobs.lock(conn, queue=queue, numbers=[locked.number]), Change(data=data))
        job = _read(conn, queue, job_id, held)
        before, after = ({"status": each.status.value, "attemptsMade": each.attempts_made} for each in (locked, job))
        after |= {"data": "changed"} if data is not None else {}
        audit.note(conn, actor, Act(action="jobs.retry", queue=queue, target=job.id, before=before, after=after))
    return job


@operation
def promote_now(db: Database, *, actor: Actor, queue: str, job_id: str, held: Reservation | None = None) -> Job:
    """Make a delayed job ready now, as the latest comer of its kind; return the job after that.

    `held` reserves memory for the job. Raises JobNotFound, JobNotDelayed, NoRoom.
    """
    with _locking(db, queue, job_id) as (conn, locked):
        if not verbs.promote_now(conn, queue, [locked]):
            raise JobNotDelayed(f"job {job_id!r} is {locked.status}: only delayed jobs can be promoted")
        job = _read(conn, queue, job_id, held)
        before, after = ({"status": each.status.value, "delay": each.delay_ms} for each in (locked, job))
        audit.note(conn, actor, Act(action="jobs.promote", queue=queue, target=job.id, before=before, after=after))
    return job


@operation
def change(
    db: Database,
    *,
    actor: Actor,
    queue: str,
    job_id: str,
    change: Change,
    token: str | None = None,
    held: Reservation | None = None,
) -> Job:
    """Change a job that is ready or delayed, or, with the `token` of its running attempt, its data; return it.

    `held` reserves memory for the job. Raises JobNotFound, JobActive, JobFinished, LeaseLost, NoRoom.
    """
    with _locking(db, queue, job_id) as (conn, locked):
        if token is not None:
            _change_data(conn, queue, locked, change, token)
        elif locked.status in ACTIVE:
            raise JobActive(f"job {job_id!r} is active: only its data can be changed, with the token of its attempt")
        elif not verbs.change(conn, queue, [locked], change):
            raise JobFinished(f"job {job_id!r} has ended: retry it before it is changed")
        job = _read(conn, queue, job_id, held)
        before, after = _difference(locked, job, change)
        audit.note(conn, actor, Act(action="jobs.change", queue=queue, target=job.id, before=before, after=after))
    return job


def _change_data(conn: Connection, queue: str, locked: LockedJob, change: Change, token: str) -> None:
    is_mine = locked.status in ACTIVE and locked.lease_token == token
    if is_mine and (change.data is None or change != Change(data=change.data)):
        raise JobActive("the job is active: nothing but its data can be changed")
    lease = LeaseKey(number=locked.number, token=token)
    if not is_mine or change.data is None or not jobs.change_data(conn, queue=queue, lease=lease, data=change.data):
        raise LeaseLost("the token is not, or no longer, this job's: nothing was changed")


def _difference(locked: LockedJob, job: Job, change: Change) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the status and what was changed, before and after. Of the data only that they were."""
    named = {field.name: getattr(change, field.name) for field in dataclasses.fields(change)}
    values = {name: value for name, value in named.items() if value is not None and name != "data"}
    before = {_NAMES.get(name, name): getattr(locked, name) for name in values}
    after = {_NAMES.get(name, name): value for name, value in values.items()}
    data = {"data": "changed"} if change.data is not None else {}
    return {"status": locked.status.value} | before, {"status": job.status.value} | after | data


@contextlib.contextmanager
def _locking(db: Database, queue: str, job_id: str) -> Iterator[tuple[Connection, LockedJob]]:
    """Open a transaction in which the job is locked; then wake who waits for jobs. Raises JobNotFound.

    Also after an error: a claim that skipped the locked row waits for a wake-up, and the job may be ready.
    """
    is_locked = False
    try:
        with db.begin() as conn:
            number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
            locked = [] if number is None else jobs.lock(conn, queue=queue, numbers=[number])
            if not locked:
                raise JobNotFound.of(queue, job_id)
            is_locked = True
            yield conn, locked[0]
    finally:
        if is_locked:
            db.notify(queue)


def _read(conn: Connection, queue: str, job_id: str, held: Reservation | None) -> Job:
    """Read the locked job; a long one only if memory can be reserved for it without waiting. Raises NoRoom."""
    found = jobs.find(conn, queue=queue, job_ids=[job_id], max_bytes=SMALL)
    if not found:
        size = jobs.sizes(conn, queue=queue, job_ids=[job_id])[job_id]
        if not (held or room.alone()).take(size * COPIES, is_patient=False):  # the job is locked
            raise NoRoom
        found = jobs.find(conn, queue=queue, job_ids=[job_id])
    return found[job_id]
