"""Settling attempts: complete, fail, release. A job that is missing from a result had lost its lease and is unchanged.

Settling is idempotent: a request that is repeated, because its response was lost, gets the same response.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from app.domain import attempts, ids
from app.domain.attempts import Outcome, Tries
from app.domain.errors import JobNotFound, LeaseLost
from app.domain.job import Completion, Extended, Failure, LeaseKey, Release
from app.domain.scan import ScanCursor
from app.domain.states import READY, Status
from app.infra.room import Reservation
from app.operations import claim, operation
from app.operations.claim import Claimed
from app.postgres.database import Connection, Database
from app.store import jobs, leases

_BY_FAILURE = (Outcome.FAILED, Outcome.CANCELLED)
_BY_RELEASE = (Outcome.RELEASED, Outcome.CANCELLED)


@operation
def fail(db: Database, *, queue: str, failures: Sequence[Failure], random: Random) -> dict[int, Status]:
    """Fail attempts: jobs with attempts left are retried after their backoff, the others fail.

    One transaction, which locks the jobs in the order of their numbers before it decides. Returns the statuses of the
    jobs, by number.
    """
    with db.begin() as conn:
        statuses = fail_in(conn, queue=queue, failures=failures, random=random)
    if any(status is not Status.FAILED for status in statuses.values()):
        db.notify(queue)
    return statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How a worker settles an attempt, by the job's id: `of_lease` makes its outcome from the lease."""

    job_id: str
    token: str
    of_lease: Callable[[LeaseKey], Completion | Failure | Release]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The statuses of the jobs, in the order of the settlements, None for a lost lease; and the jobs claimed."""

    statuses: list[Status | None]
    claimed: Claimed | None


@operation
def finish(
    db: Database,
    *,
    queue: str,
    settlements: Sequence[Settlement],
    random: Random,
    ask: claim.Ask | None = None,
    cursor: ScanCursor | None = None,
    held: Reservation | None = None,
) -> Finished:
    """Settle attempts, and claim the next jobs if `ask` is given. One transaction. `cursor` is as in `claim`.

    `held` reserves memory for the jobs claimed; if none is free, none are claimed.
    """
    with db.begin() as conn:
        numbers = jobs.numbers(conn, queue=queue, job_ids=[one.job_id for one in settlements])
        outcomes = [one.of_lease(LeaseKey(number=numbers.get(one.job_id, 0), token=one.token)) for one in settlements]
        statuses: dict[int, Status] = {}
        if completions := [one for one in outcomes if isinstance(one, Completion)]:
            statuses |= complete_in(conn, queue=queue, completions=completions)
        if failures := [one for one in outcomes if isinstance(one, Failure)]:
            statuses |= fail_in(conn, queue=queue, failures=failures, random=random)
        if releases := [one for one in outcomes if isinstance(one, Release)]:
            statuses |= release_in(conn, queue=queue, releases=releases)
        settled = [statuses.get(one.lease.number) for one in outcomes]
        if None in settled:
            settled = _with_removed(conn, queue, settlements, outcomes, settled)
        claimed = _claimed(conn, queue, ask, cursor, held) if ask else None
    if READY & set(statuses.values()):
        db.notify(queue)
    return Finished(statuses=settled, claimed=claimed)


def _with_removed(
    conn: Connection,
    queue: str,
    settlements: Sequence[Settlement],
    outcomes: Sequence[Completion | Failure | Release],
    settled: Sequence[Status | None],
) -> list[Status | None]:
    """Return the statuses, with those of jobs that were removed when these attempts ended, by their custom ids."""
    shown = [
        leases.PresentedToken(queue, one.job_id, one.token)
        for one, status in zip(settlements, settled, strict=True)
        if status is None and not ids.is_digits(one.job_id)
    ]
    removed = leases.removed_before(conn, queue=queue, shown=shown)
    return [
        _repeated(outcome, removed.get(one.token)) if status is None else status
        for one, outcome, status in zip(settlements, outcomes, settled, strict=True)
    ]


def _repeated(told: Completion | Failure | Release, ended: Outcome | None) -> Status | None:
    """Return the status of a job that was removed when its attempt ended, if what is `told` now says the same."""
    if isinstance(told, Completion):
        return Status.COMPLETED if ended is Outcome.COMPLETED else None
    return Status.FAILED if ended in (_BY_FAILURE if isinstance(told, Failure) else _BY_RELEASE) else None


def _claimed(
    conn: Connection, queue: str, ask: claim.Ask, cursor: ScanCursor | None, held: Reservation | None
) -> Claimed | None:
    if held is None:
        return claim.claim_in(conn, queue=queue, ask=ask, cursor=cursor)
    max_bytes = held.for_claim()
    return claim.claim_in(conn, queue=queue, ask=ask, max_bytes=max_bytes, cursor=cursor) if max_bytes else None


@operation
def finish_one(db: Database, *, queue: str, settlement: Settlement, random: Random) -> Status:
    """Settle one attempt; return the status of its job. Raises LeaseLost, JobNotFound."""
    [status] = finish(db, queue=queue, settlements=[settlement], random=random).statuses
    if status is None:
        raise _lost(db, queue, settlement.job_id)
    return status


@operation
def extend_one(db: Database, *, queue: str, job_id: str, token: str, lease_ms: int) -> Extended:
    """Extend one lease to `lease_ms` from now. Raises LeaseLost, JobNotFound."""
    with db.begin() as conn:
        number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id, 0)
        held = leases.extend(conn, queue=queue, leases=[LeaseKey(number=number, token=token)], lease_ms=lease_ms)
    if number not in held:
        raise _lost(db, queue, job_id)
    return held[number]


@operation
def extend(db: Database, *, queue: str, held: Sequence[LeaseKey], lease_ms: int) -> dict[int, Extended]:
    """Extend leases to `lease_ms` from now; return those that are still held, by number."""
    with db.begin() as conn:
        return leases.extend(conn, queue=queue, leases=held, lease_ms=lease_ms)


@operation
def release(db: Database, *, queue: str, releases: Sequence[Release]) -> dict[int, Status]:
    """Release jobs: they become ready again; no attempt and no stall is counted. Returns as `fail` does."""
    with db.begin() as conn:
        statuses = release_in(conn, queue=queue, releases=releases)
    db.notify(queue)
    return statuses


@operation
def recover_dead(db: Database, *, queue: str, held: Sequence[LeaseKey], max_stalled_count: int) -> set[int]:
    """Recover these jobs as stalled without waiting for their leases to run out: their process is known to be dead."""
    with db.begin() as conn:
        expired = leases.expire(conn, queue=queue, leases=held)
        leases.recover_stalled(conn, queue=queue, limit=len(held), max_stalled_count=max_stalled_count)
    db.notify(queue)
    return expired


def complete_in(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> dict[int, Status]:
    """Complete attempts and store their results; return the statuses of their jobs, by number."""
    numbers = leases.complete(conn, queue=queue, completions=completions)
    if rest := [completion for completion in completions if completion.lease.number not in numbers]:
        numbers |= leases.completed_before(conn, queue=queue, completions=rest)
    return dict.fromkeys(numbers, Status.COMPLETED)


def fail_in(conn: Connection, *, queue: str, failures: Sequence[Failure], random: Random) -> dict[int, Status]:
    """Do what `fail` does, in a transaction that is open."""
    held = leases.lock(conn, queue=queue, leases=[failure.lease for failure in failures])
    still_held = [(failure, held[failure.lease.number]) for failure in failures if failure.lease.number in held]
    statuses = fail_or_retry(conn, queue=queue, failures=still_held, random=random)
    if rest := [failure.lease for failure in failures if failure.lease.number not in statuses]:
        statuses |= leases.ended_before(conn, queue=queue, leases=rest, outcomes=_BY_FAILURE)
    return statuses


def release_in(conn: Connection, *, queue: str, releases: Sequence[Release]) -> dict[int, Status]:
    """Do what `release` does, in a transaction that is open."""
    statuses = leases.release(conn, queue=queue, releases=releases)
    if rest := [release.lease for release in releases if release.lease.number not in statuses]:
        statuses |= leases.ended_before(conn, queue=queue, leases=rest, outcomes=_BY_RELEASE)
    return statuses


def fail_or_retry(
    conn: Connection,
    *,
    queue: str,
    failures: Sequence[tuple[Failure, Tries]],
    random: Random,
    include_expired: bool = False,
) -> dict[int, Status]:
    """Fail or retry jobs that are locked, each by the attempts it has left. `include_expired`: as in `leases.fail`."""
    final, again = [], []
    for failure, tries in failures:
        delay_ms = attempts.retry_delay_ms(tries, failure, random)
        if delay_ms is None:
            final.append(failure)
        else:
            again.append(leases.Retry(failure=failure, delay_ms=delay_ms))
    statuses = leases.fail(conn, queue=queue, failures=final, include_expired=include_expired) if final else {}
    return statuses | (
        leases.retry_later(conn, queue=queue, retries=again, include_expired=include_expired) if again else {}
    )


def _lost(db: Database, queue: str, job_id: str) -> LeaseLost | JobNotFound:
    with db.begin() as conn:
        number = jobs.numbers(conn, queue=queue, job_ids=[job_id]).get(job_id)
        if number is None or not jobs.exists(conn, queue=queue, number=number):
            return JobNotFound.of(queue, job_id)
    return LeaseLost("the token is not, or no longer, this job's: nothing was changed")
