"""What time brings: delayed jobs fall due, leases run out. Any number of processes may do it at once."""

from random import Random

from app.domain import attempts
from app.infra.database import Database
from app.operations import operation, settle
from app.store import counts, endpoints, jobs, keys, leases

AT_ONCE = 1_000  # rows a transaction moves, so that none holds its locks long
FOLDED_AT_ONCE = 20_000  # deltas; nobody waits for their rows


@operation
def promote_due(db: Database) -> set[str]:
    """Move due jobs into line, a queue a transaction. Return the queues that have new ready jobs."""
    with db.begin() as conn:
        queues = jobs.queues_with_due(conn)
    woken = set()
    for queue in queues:
        moved = AT_ONCE
        while moved == AT_ONCE:
            with db.begin() as conn:
                moved = jobs.promote(conn, queue=queue, limit=AT_ONCE)
            if moved:
                woken.add(queue)
    return woken


@operation
def recover_stalled(db: Database, *, max_stalled_count: int) -> dict[str, int]:
    """Take jobs from leases that ran out, a queue a transaction. Return how many each queue lost, ready or failed.

    A queue's endpoint may grant its jobs another `max_stalled_count`.
    """
    with db.begin() as conn:
        queues = leases.queues_with_active(conn)
    recovered: dict[str, int] = {}
    for queue in queues:
        moved = AT_ONCE
        while moved == AT_ONCE:
            with db.begin() as conn:
                allowed = endpoints.stalls_allowed(conn, queue=queue) or max_stalled_count
                found = leases.recover_stalled(conn, queue=queue, limit=AT_ONCE, max_stalled_count=allowed)
            moved = len(found)
            if moved:
                recovered[queue] = recovered.get(queue, 0) + moved
    return recovered


@operation
def time_out(db: Database, *, random: Random) -> dict[str, int]:
    """End attempts that ran longer than their jobs allow, a queue a transaction; return how many each queue had.

    They have failed: their jobs are tried again while attempts are left.
    """
    with db.begin() as conn:
        queues = leases.queues_with_active(conn)
    ended: dict[str, int] = {}
    for queue in queues:
        moved = AT_ONCE
        while moved == AT_ONCE:
            with db.begin() as conn:
                overdue = leases.hold_overdue(conn, queue=queue, limit=AT_ONCE)
                told = [(attempts.timed_out(late.lease, late.timeout_ms), late.tries) for late in overdue]
                moved = len(settle.judged(conn, queue=queue, told=told, random=random, are_over=True))
            if moved:
                ended[queue] = ended.get(queue, 0) + moved
    return ended


@operation
def forget_keys(db: Database, *, keep_ms: int) -> int:
    """Remove the answers to idempotency keys that are older than `keep_ms`; return how many there were."""
    forgotten, removed = 0, AT_ONCE
    while removed == AT_ONCE:
        with db.begin() as conn:
            removed = keys.forget(conn, keep_ms=keep_ms, limit=AT_ONCE)
        forgotten += removed
    return forgotten


@operation
def fold_counts(db: Database) -> int:
    """Add up what statements noted of the counts, unless another process is at it; return how many notes it were."""
    folded, found = 0, FOLDED_AT_ONCE
    while found >= FOLDED_AT_ONCE:
        with db.begin() as conn:
            found = counts.fold(conn, limit=FOLDED_AT_ONCE)
        folded += found
    return folded


@operation
def recount(db: Database) -> list[str]:
    """Count all jobs anew; name the queues whose counts were wrong. One transaction, for which nobody waits."""
    with db.begin() as conn:
        return counts.recount(conn)
