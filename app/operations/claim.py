"""Taking jobs to work on."""

from dataclasses import dataclass

from app.domain.job import Lease
from app.infra.database import Connection, Database
from app.operations import operation
from app.store import jobs, leases

PROMOTED_AT_ONCE = 1_000
PROMOTIONS = 10  # at most in one claim, so that a flood of due jobs does not hold it up for long


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for: up to `limit` jobs, leased to `worker` for `lease_ms`."""

    limit: int
    lease_ms: int
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a claim found. `next_due_ms`: when less was there than asked for, the wait until a delayed job is due."""

    leases: list[Lease]
    next_due_ms: int | None


@operation
def claim(db: Database, *, queue: str, limit: int, lease_ms: int, worker: str) -> Claimed:
    """Lease up to `limit` jobs of `queue`, the next ones first.

    One transaction: what is due joins the line first, so that it is claimed in its place whoever noticed it.
    """
    with db.begin() as conn:
        return claimed(conn, queue=queue, ask=Ask(limit=limit, lease_ms=lease_ms, worker=worker))


def claimed(conn: Connection, *, queue: str, ask: Ask) -> Claimed:
    """Do what `claim` does, in a transaction that is open."""
    for _ in range(PROMOTIONS):
        if jobs.promote(conn, queue=queue, limit=PROMOTED_AT_ONCE) < PROMOTED_AT_ONCE:
            break
    taken = leases.claim(conn, queue=queue, limit=ask.limit, lease_ms=ask.lease_ms, worker=ask.worker)
    next_due_ms = jobs.next_due_ms(conn, queue=queue) if len(taken) < ask.limit else None
    return Claimed(leases=taken, next_due_ms=next_due_ms)
