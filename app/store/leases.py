"""Leases: the right of one worker to one job for a while. Every write names the token; a lost lease changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.attempts import STACKS_KEPT, STALLED_REASON, Tries
from app.domain.job import Completion, Failure, Lease, LeaseKey
from app.domain.states import Status
from app.infra.database import Connection
from app.store import rows
from app.store.statements import Statement

_claim = Statement("leases/claim")
_extend = Statement("leases/extend")
_complete = Statement("leases/complete")
_hold = Statement("leases/hold")
_fail = Statement("leases/fail")
_retry_later = Statement("leases/retry_later")
_release = Statement("leases/release")
_forfeit = Statement("leases/forfeit")
_recover_stalled = Statement("leases/recover_stalled")
_queues_with_active = Statement("leases/queues_with_active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A failed attempt after which the job runs again in `delay_ms`."""

    failure: Failure
    delay_ms: int


def claim(conn: Connection, *, queue: str, limit: int, lease_ms: int, worker: str) -> list[Lease]:
    """Lease up to `limit` ready jobs of `queue`, best first. Takes row locks, waits for none."""
    return [rows.lease(row) for row in _claim.rows(conn, queue=queue, limit=limit, lease_ms=lease_ms, worker=worker)]


def extend(conn: Connection, *, queue: str, leases: Sequence[LeaseKey], lease_ms: int) -> set[int]:
    """Renew leases to `lease_ms` from now; return the numbers of the jobs that are still held."""
    return _numbers(_extend, conn, queue, leases, lease_ms=lease_ms)


def complete(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> set[int]:
    """End attempts well; return the numbers of the jobs that this completed."""
    leases = [completion.lease for completion in completions]
    return _numbers(_complete, conn, queue, leases, results=[completion.result for completion in completions])


def hold(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> dict[int, Tries]:
    """Lock jobs that are still held, in the order of their numbers; return what each has left, by number."""
    held = _hold.rows(conn, queue=queue, numbers=[key.number for key in leases], tokens=[key.token for key in leases])
    return {row.number: rows.tries(row) for row in held}


def fail(conn: Connection, *, queue: str, failures: Sequence[Failure]) -> set[int]:
    """End attempts and their jobs badly; return the numbers of the jobs that this failed."""
    return _numbers(
        _fail,
        conn,
        queue,
        [failure.lease for failure in failures],
        reasons=[failure.reason for failure in failures],
        stacks=[failure.stack for failure in failures],
        stacks_kept=STACKS_KEPT,
    )


def retry_later(conn: Connection, *, queue: str, retries: Sequence[Retry]) -> set[int]:
    """End attempts badly and put their jobs in line again; return the numbers of the jobs that this moved."""
    return _numbers(
        _retry_later,
        conn,
        queue,
        [retry.failure.lease for retry in retries],
        reasons=[retry.failure.reason for retry in retries],
        stacks=[retry.failure.stack for retry in retries],
        delays_ms=[retry.delay_ms for retry in retries],
        stacks_kept=STACKS_KEPT,
    )


def release(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> set[int]:
    """Hand jobs back unharmed, each to its old place; return the numbers of the jobs that were held."""
    return _numbers(_release, conn, queue, leases)


def forfeit(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> set[int]:
    """End leases at once, so that `recover_stalled` finds their jobs; return the numbers of those that were held."""
    return _numbers(_forfeit, conn, queue, leases)


def recover_stalled(conn: Connection, *, queue: str, limit: int, max_stalled_count: int) -> dict[int, Status]:
    """Take up to `limit` jobs from leases that ran out; return where each went, by number. Waits for no lock."""
    moved = _recover_stalled.rows(
        conn, queue=queue, limit=limit, max_stalled_count=max_stalled_count, reason=STALLED_REASON
    )
    return {row.number: Status(row.status) for row in moved}


def queues_with_active(conn: Connection) -> list[str]:
    """Name the queues that have active jobs."""
    return [row.queue for row in _queues_with_active.rows(conn)]


def _numbers(
    statement: Statement, conn: Connection, queue: str, leases: Sequence[LeaseKey], **parameters: object
) -> set[int]:
    found = statement.rows(
        conn, queue=queue, numbers=[key.number for key in leases], tokens=[key.token for key in leases], **parameters
    )
    return {row.number for row in found}
