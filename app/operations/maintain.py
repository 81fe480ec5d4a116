"""What time brings: delayed jobs fall due, leases run out. Any number of processes may do it at once; one is enough."""

from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple

from app.domain import attempts
from app.infra.database import Connection, Database, DatabaseError
from app.operations import operation, settle
from app.store import counts, endpoints, jobs, keys, leases, rounds

AT_ONCE = 1_000  # rows a transaction moves, so that none holds its locks long
FOLDED_AT_ONCE = 20_000  # deltas; nobody waits for their rows


class Look(NamedTuple):
    """What a look found: whether a delayed job is due in any queue, and whether there is something to fold."""

    is_due: bool
    is_unfolded: bool


@operation
def look(db: Database, *, word: str | None) -> Look:
    """Look whether time has brought anything, and send `word`, if any, to all processes: somebody looks. One statement.

    Where it cannot be sent, as on a standby, it is looked all the same.
    """
    try:
        with db.write_once() as conn:
            return Look(*rounds.look(conn, word=word))
    except DatabaseError:
        with db.write_once() as conn:
            return Look(*rounds.look(conn, word=None))


@operation
def promote_due(db: Database) -> set[str]:
    """Move due jobs into line and announce it, a queue a transaction. Return the queues that have new ready jobs."""
    with db.begin() as conn:
        queues = jobs.queues_with_due(conn)

    def promote(conn: Connection, queue: str) -> int:
        return jobs.promote(conn, queue=queue, limit=AT_ONCE, patience_s=0.0)  # one queue holds up no other

    return set(_in_turn(db, queues, promote))


@operation
def recover_stalled(db: Database, *, max_stalled_count: int) -> dict[str, int]:
    """Take jobs from leases that ran out and announce it, a queue a transaction.

    Return how many each queue lost, ready or failed. A queue's endpoint may grant its jobs another `max_stalled_count`.
    """
    with db.begin() as conn:
        queues = leases.queues_with_over(conn).stalled

    def recover(conn: Connection, queue: str) -> int:
        allowed = endpoints.stalls_allowed(conn, queue=queue) or max_stalled_count
        return len(leases.recover_stalled(conn, queue=queue, limit=AT_ONCE, max_stalled_count=allowed))

    return _in_turn(db, queues, recover)


@operation
def time_out(db: Database, *, random: Random) -> dict[str, int]:
    """End attempts that ran longer than their jobs allow and announce it, a queue a transaction.

    Return how many each queue had. They have failed: their jobs are tried again while attempts are left.
    """
    with db.begin() as conn:
        queues = leases.queues_with_over(conn).overdue

    def end(conn: Connection, queue: str) -> int:
        overdue = leases.hold_overdue(conn, queue=queue, limit=AT_ONCE)
        told = [(attempts.timed_out(late.lease, late.timeout_ms), late.tries) for late in overdue]
        return len(settle.fail_or_retry(conn, queue=queue, told=told, random=random, are_over=True))

    return _in_turn(db, queues, end)


def _in_turn(db: Database, queues: Iterable[str], move: Callable[[Connection, str], int]) -> dict[str, int]:
    """Have `move` move up to AT_ONCE jobs of each queue in turn, until none has more; return how many each had.

    So a queue that has many holds up no other, and who waits in one hears of it when its jobs are there.
    """
    moved: dict[str, int] = {}
    left = list(queues)
    while left:
        found: dict[str, int] = {}
        for queue in left:
            with db.begin() as conn:
                found[queue] = move(conn, queue)
            if found[queue]:
                moved[queue] = moved.get(queue, 0) + found[queue]
                db.announce(queue)
        left = [queue for queue in left if found[queue] == AT_ONCE]
    return moved


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
    """Add up what statements noted of the counts, unless another process is at it; return how many notes it were.

    Announce the queues in which jobs became ready: perhaps nobody was told, because that failed or was not meant to be.
    """
    folded, found = 0, FOLDED_AT_ONCE
    while found >= FOLDED_AT_ONCE:
        with db.begin() as conn:
            found, queues = counts.fold(conn, limit=FOLDED_AT_ONCE)
        folded += found
        for queue in queues:
            db.announce(queue)
    return folded


@operation
def recount(db: Database) -> list[str]:
    """Count all jobs anew; name the queues whose counts were wrong. One transaction, for which nobody waits."""
    with db.begin() as conn:
        return counts.recount(conn)
