"""Claims: leasing ready jobs to a worker."""

import math
import time
from dataclasses import dataclass

from app.domain.job import Lease
from app.domain.scan import HEAD, ScanCursor, ScanResult
from app.operations import operation
from app.postgres.database import Connection, Database
from app.store import jobs, leases
from app.store.jobs import ANY_BYTES

LEAST_PAUSE_MS = 10  # between claims while a due job is locked by another transaction
PROMOTED_AT_ONCE = 1_000
PROMOTIONS = 10  # the most batches of due jobs that one claim promotes, so that many due jobs do not delay it long


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The parameters of a claim: up to `limit` jobs, leased to `worker` for `lease_ms`."""

    limit: int
    lease_ms: int
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The result of a claim. `next_due_ms`: if it found fewer jobs than asked for, ms until a delayed job is due."""

    leases: list[Lease]
    next_due_ms: int | None


@operation
def claim(
    db: Database,
    *,
    queue: str,
    limit: int,
    lease_ms: int,
    worker: str,
    max_bytes: int = ANY_BYTES,
    cursor: ScanCursor | None = None,
) -> Claimed:
    """Lease up to `limit` jobs of `queue`, in queue order; after the first job, at most `max_bytes` of texts.

    One transaction. It first promotes the delayed jobs that are due, so that they are claimed in their place.
    `cursor` is the caller's position in this queue; without one the scan starts at the head of the queue.
    """
    with db.begin() as conn:
        ask = Ask(limit=limit, lease_ms=lease_ms, worker=worker)
        return claim_in(conn, queue=queue, ask=ask, max_bytes=max_bytes, cursor=cursor)


def claim_in(
    conn: Connection, *, queue: str, ask: Ask, max_bytes: int = ANY_BYTES, cursor: ScanCursor | None = None
) -> Claimed:
    """Do what `claim` does, in a transaction that is open."""
    promote(conn, queue=queue)
    cursor = cursor or ScanCursor()
    taken, scan, is_truncated = _look(conn, queue, ask, max_bytes, cursor)
    while scan.is_short and scan.start != HEAD and cursor.start(now_s=time.monotonic()) == HEAD:
        rest = Ask(limit=ask.limit - len(taken), lease_ms=ask.lease_ms, worker=ask.worker)
        more, scan, is_truncated = _look(conn, queue, rest, max_bytes - sum(lease.job.size for lease in taken), cursor)
        taken += more
    next_due_ms = jobs.next_due_ms(conn, queue=queue) if len(taken) < ask.limit and not is_truncated else None
    return Claimed(leases=taken, next_due_ms=next_claim_in_ms(scan, cursor, next_due_ms))


def promote(conn: Connection, *, queue: str) -> None:
    """Promote the delayed jobs that are due, in a transaction that is open."""
    for _ in range(PROMOTIONS):
        if jobs.promote(conn, queue=queue, limit=PROMOTED_AT_ONCE) < PROMOTED_AT_ONCE:
            break


def _look(conn: Connection, queue: str, ask: Ask, max_bytes: int, cursor: ScanCursor) -> leases.WholeClaim:
    try:
        look = leases.claim(
            conn,
            queue=queue,
            limit=ask.limit,
            lease_ms=ask.lease_ms,
            worker=ask.worker,
            start=cursor.start(now_s=time.monotonic()),
            max_bytes=max_bytes,
            are_large=cursor.has_large,
        )
    except Exception:
        cursor.has_large = True  # it may have taken too long to measure the jobs; the next claim measures only a few
        raise
    if look.is_truncated and not cursor.has_large:  # no job was claimed
        cursor.has_large = True
        return _look(conn, queue, ask, max_bytes, cursor)
    cursor.has_large = look.is_truncated
    cursor.note(look.scan, now_s=time.monotonic())
    return look


def next_claim_in_ms(scan: ScanResult, cursor: ScanCursor, next_due_ms: int | None) -> int | None:
    """Return the ms after which to claim again at the latest: a delayed job or a scan from the head is due then."""
    if scan.start == HEAD:
        return next_due_ms
    look_in_ms = math.ceil(cursor.look_in_s(now_s=time.monotonic()) * 1000)
    return look_in_ms if next_due_ms is None else min(look_in_ms, next_due_ms)


def pause_s(next_due_ms: int | None, *, poll_ms: int) -> float:
    """Return the seconds to wait before the next claim, after one that found fewer jobs than asked for."""
    return max(LEAST_PAUSE_MS, min(poll_ms, poll_ms if next_due_ms is None else next_due_ms)) / 1000
