"""Ending attempts. Each returns the numbers of the jobs it settled; one that is missing had lost its lease."""

from collections.abc import Sequence
from random import Random

from app.domain import attempts
from app.domain.job import Completion, Failure, LeaseKey
from app.infra.database import Database
from app.operations import operation
from app.store import leases


@operation
def complete(db: Database, *, queue: str, completions: Sequence[Completion]) -> set[int]:
    """End attempts well and keep their results."""
    with db.begin() as conn:
        return leases.complete(conn, queue=queue, completions=completions)


@operation
def fail(db: Database, *, queue: str, failures: Sequence[Failure], random: Random) -> set[int]:
    """End attempts badly: jobs with attempts left get in line again after their backoff, the others fail.

    One transaction; locks the jobs in the order of their numbers before it decides.
    """
    with db.begin() as conn:
        held = leases.hold(conn, queue=queue, leases=[failure.lease for failure in failures])
        final, again = [], []
        for failure in failures:
            if tries := held.get(failure.lease.number):
                delay_ms = attempts.retry_delay_ms(tries, failure, random)
                if delay_ms is None:
                    final.append(failure)
                else:
                    again.append(leases.Retry(failure=failure, delay_ms=delay_ms))
        failed = leases.fail(conn, queue=queue, failures=final) if final else set()
        retried = leases.retry_later(conn, queue=queue, retries=again) if again else set()
    if retried:
        db.announce(queue)
    return failed | retried


@operation
def extend(db: Database, *, queue: str, held: Sequence[LeaseKey], lease_ms: int) -> set[int]:
    """Renew leases to `lease_ms` from now."""
    with db.begin() as conn:
        return leases.extend(conn, queue=queue, leases=held, lease_ms=lease_ms)


@operation
def release(db: Database, *, queue: str, held: Sequence[LeaseKey]) -> set[int]:
    """Hand jobs back unharmed: no attempt and no stall is counted, and each keeps its place in line."""
    with db.begin() as conn:
        released = leases.release(conn, queue=queue, leases=held)
    db.announce(queue)
    return released


@operation
def give_up(db: Database, *, queue: str, held: Sequence[LeaseKey], max_stalled_count: int) -> set[int]:
    """Treat these jobs as stalled at once, because the process that ran them is known to be dead."""
    with db.begin() as conn:
        forfeited = leases.forfeit(conn, queue=queue, leases=held)
        leases.recover_stalled(conn, queue=queue, limit=len(held), max_stalled_count=max_stalled_count)
    db.announce(queue)
    return forfeited
