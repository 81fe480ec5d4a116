"""Maintenance: promotes due jobs, recovers stalled ones, folds counts. Safe in any number of processes at once."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from app.domain import attempts
from app.domain.audit import Act, Actor
from app.operations import operation, settle
from app.postgres.database import Connection, Database, DatabaseError
from app.store import (
    audit,
    counts,
    endpoints,
    events,
    failures,
    jobs,
    keys,
    leases,
    metrics,
    minutes,
    rounds,
    workers,
)

AT_ONCE = 1_000  # rows per transaction, so that none holds its locks long
STEPS_AT_ONCE = 100  # transactions per round that roll minutes and hours up
READ_AT_ONCE = 20_000  # due or active jobs per statement that looks for their queues
RECOUNTED_SHOWN = 100  # queues whose counts were wrong that an act names
FILLED_AT_ONCE = 20_000  # failed jobs per round that get a fingerprint: a node of an older release failed them
UNUSED_AT_ONCE = 10_000
"""Queues whose counts are deleted in one round. All counts are read for it, as the metrics do for each scrape."""
PUBLISHED = "/events"
"""The topic of events that are published. No queue has a slash in its name."""
FOLDED_AT_ONCE = 20_000  # count deltas per transaction; no other statement waits for their rows


class PendingWork(NamedTuple):
    """What there is to do: whether a delayed job is due in any queue, whether there are counts to fold.

    `is_late`: whether a job should have started by now, and has not. `has_plans`: whether plans go on by themselves.
    `has_stored`: whether jobs are stored to follow others. `has_ticks`: whether a schedule is due. `now_ms`: when this
    was so, by the database's clock.
    """

    is_due: bool
    is_unfolded: bool
    is_late: bool = False
    has_plans: bool = False
    has_stored: bool = False
    has_ticks: bool = False
    now_ms: int = 0


@operation
def look(db: Database, *, word: str | None) -> PendingWork:
    """Check whether there is work to do, and NOTIFY all processes with `word` (the pulse), if any. One statement.

    If NOTIFY fails, as on a standby, it checks without it.
    """
    try:
        with db.write_once() as conn:
            return PendingWork(*rounds.look(conn, word=word))
    except DatabaseError:
        with db.write_once() as conn:
            return PendingWork(*rounds.look(conn, word=None))


@operation
def promote_due(db: Database) -> set[str]:
    """Promote due jobs and notify the queue, one transaction per queue. Return the queues that have new ready jobs.

    Reads the due jobs of all queues in steps, and promotes between them: so a queue with many due jobs delays the
    others only by the time that it takes to read past its jobs.
    """
    promoted: set[str] = set()
    left: dict[str, None] = {}
    place, found = jobs.FIRST_DUE, READ_AT_ONCE
    while left or found == READ_AT_ONCE:
        if found == READ_AT_ONCE:
            with db.begin() as conn:
                queues, found, place = jobs.queues_with_due(conn, limit=READ_AT_ONCE, after=place)
            left |= dict.fromkeys(queues)
        moved = _once(db, left, _promote)
        promoted |= {queue for queue, jobs_moved in moved.items() if jobs_moved}
        left = _unfinished(moved)
    return promoted


def _promote(conn: Connection, queue: str) -> int:
    return jobs.promote(conn, queue=queue, limit=AT_ONCE, patience_s=0.0)  # no queue delays another


@operation
def fail_unstarted(db: Database) -> dict[str, int]:
    """Fail jobs that should have started by now and notify the queue; return how many, by queue.

    Passes by all of them, again while one leaves some. So a queue with many, or with new ones all the time, delays the
    others only by the time that it takes to read past its jobs.
    """
    failed: dict[str, int] = {}
    before, is_cut = -1, True
    while is_cut and before < sum(failed.values()):  # a pass that fails none met locked rows: another round finds them
        before = sum(failed.values())
        is_cut = _pass_unstarted(db, failed)
    return failed


def _pass_unstarted(db: Database, failed: dict[str, int]) -> bool:
    """Read the late jobs in steps, the one first that should have started first; return whether some are left.

    Of each step up to AT_ONCE of each queue fail, a transaction for each queue; `failed` counts them.
    """
    place, found, is_cut = jobs.FIRST_START, READ_AT_ONCE, False
    while found == READ_AT_ONCE:
        with db.begin() as conn:
            late = jobs.unstarted(conn, limit=READ_AT_ONCE, most=AT_ONCE, after=place)
        place, found, is_cut = late.last, late.found, is_cut or late.is_cut
        for queue, numbers in late.numbers.items():
            with db.begin() as conn:
                ended = jobs.fail_unstarted(conn, queue=queue, numbers=numbers)
            if ended:
                failed[queue] = failed.get(queue, 0) + ended
                db.notify(queue)
    return is_cut


class ExpiredQueues(NamedTuple):
    """The queues with leases that have run out, longest ago first: with stalled jobs, and with overdue ones."""

    stalled: list[str]
    overdue: list[str]


@operation
def expired(db: Database) -> ExpiredQueues:
    """Return the queues with leases that have run out. Reads all active jobs, in steps."""
    found: list[leases.Expired] = []
    place: leases.ActivePlace | None = leases.FIRST_ACTIVE
    while place:
        with db.begin() as conn:
            part, place = leases.queues_with_expired(conn, limit=READ_AT_ONCE, after=place)
        found += part
    found.sort(key=lambda one: one.since_s)
    stalled = dict.fromkeys(one.queue for one in found if one.has_stalled)
    overdue = dict.fromkeys(one.queue for one in found if one.has_overdue)
    return ExpiredQueues([*stalled], [*overdue])


@operation
def recover_stalled(db: Database, *, max_stalled_count: int, queues: Sequence[str] | None = None) -> dict[str, int]:
    """Recover jobs whose leases ran out and notify the queue, one transaction per queue.

    Return how many were recovered or failed, by queue. The endpoint of a queue may override `max_stalled_count`.
    `queues`: those that may have some, as `expired` has found them.
    """
    queues = expired(db).stalled if queues is None else queues

    def recover(conn: Connection, queue: str) -> int:
        allowed = endpoints.stalls_allowed(conn, queue=queue) or max_stalled_count
        return len(leases.recover_stalled(conn, queue=queue, limit=AT_ONCE, max_stalled_count=allowed))

    return _in_turn(db, queues, recover)


@operation
def time_out(db: Database, *, random: Random, queues: Sequence[str] | None = None) -> dict[str, int]:
    """Fail attempts that exceeded the timeouts of their jobs and notify the queue, one transaction per queue.

    Their jobs are retried while they have attempts left. Return how many failed, by queue. `queues` as above.
    """
    queues = expired(db).overdue if queues is None else queues

    def end(conn: Connection, queue: str) -> int:
        overdue = leases.lock_overdue(conn, queue=queue, limit=AT_ONCE)
        failures = [(attempts.timed_out(late.lease, late.timeout_ms), late.tries) for late in overdue]
        return len(settle.fail_or_retry(conn, queue=queue, failures=failures, random=random, include_expired=True))

    return _in_turn(db, queues, end)


Move = Callable[[Connection, str], int]


def _in_turn(db: Database, queues: Iterable[str], move: Move) -> dict[str, int]:
    """Move up to AT_ONCE jobs of each queue in turn by `move`, until no queue has more; return how many, by queue.

    So a queue with many jobs does not delay the others, and waiting workers are notified after each batch.
    """
    total: dict[str, int] = {}
    left = dict.fromkeys(queues)
    while left:
        moved = _once(db, left, move)
        total |= {queue: total.get(queue, 0) + jobs_moved for queue, jobs_moved in moved.items() if jobs_moved}
        left = _unfinished(moved)
    return total


def _once(db: Database, queues: Iterable[str], move: Move) -> dict[str, int]:
    """Move up to AT_ONCE jobs of each queue and notify it; return how many, by queue."""
    moved: dict[str, int] = {}
    for queue in queues:
        with db.begin() as conn:
            moved[queue] = move(conn, queue)
        if moved[queue]:
            db.notify(queue)
    return moved


def _unfinished(moved: Mapping[str, int]) -> dict[str, None]:
    """Return the queues that may have more."""
    return dict.fromkeys(queue for queue, jobs_moved in moved.items() if jobs_moved == AT_ONCE)


@operation
def forget_keys(db: Database, *, keep_ms: int) -> int:
    """Delete idempotency keys, with their stored responses, that are older than `keep_ms`; return how many."""
    return _forget(db, lambda conn: keys.forget(conn, keep_ms=keep_ms, limit=AT_ONCE))


@operation
def forget_minutes(db: Database) -> int:
    """Make hours of minutes, and days of hours, that are not kept any more, and delete old days.

    A transaction for each step, and up to STEPS_AT_ONCE steps of each; another round goes on. Return how many rows of
    minutes are gone.
    """
    for forget in (minutes.forget_days, minutes.forget_hours):
        _forget(db, partial(forget, limit=AT_ONCE), most=STEPS_AT_ONCE)
    return _forget(db, lambda conn: minutes.forget(conn, limit=AT_ONCE), most=STEPS_AT_ONCE)


@operation
def make_room_for_events(db: Database, *, keep_ms: int, max_bytes: int) -> bool:
    """Empty the oldest part of the events, if the newest is old or large enough; return whether.

    So events are kept for `keep_ms`, and take `max_bytes`, about. Does not wait for who reads that part, a dump for
    example: it is tried again later.
    """
    try:
        with db.begin() as conn:
            counts.await_folds(conn)
            return events.make_room(conn, keep_ms=keep_ms, max_bytes=max_bytes)
    except DatabaseError as error:
        if not error.is_worth_another_try:
            raise
        return False


@operation
def forget_workers(db: Database) -> int:
    """Delete the rows of workers that were not seen for long; return how many. A transaction for each step."""
    return _forget(db, lambda conn: workers.forget(conn, limit=AT_ONCE))


@operation
def fill_fingerprints(db: Database) -> int:
    """Give failed jobs that have no fingerprint theirs, up to FILLED_AT_ONCE; return how many.

    Those are jobs that failed before revision 0032, or by a node of an older release. A transaction for each step.
    """
    filled, found = 0, failures.READ_AT_ONCE
    while found == failures.READ_AT_ONCE and filled < FILLED_AT_ONCE:
        with db.begin() as conn:
            found = failures.fill(conn)
        filled += found
    return filled


def _forget(db: Database, forget: Callable[[Connection], int], *, most: float = math.inf) -> int:
    """Call `forget`, each time in a transaction, until it removes fewer than AT_ONCE; return how many it removed.

    Call it up to `most` times.
    """
    forgotten, removed, steps = 0, AT_ONCE, 0
    while removed == AT_ONCE and steps < most:
        with db.begin() as conn:
            removed = forget(conn)
        forgotten, steps = forgotten + removed, steps + 1
    return forgotten


@operation
def fold_counts(db: Database) -> int:
    """Fold the deltas of the counts into the totals, unless another process does so now; return how many deltas.

    Announces the queues in which jobs became ready: their first NOTIFY may have failed, or may never have been sent.
    And, if there are any, that events are published.
    """
    folded, is_cut = 0, True
    while is_cut:
        with db.begin() as conn:
            found, queues, is_published, is_cut = counts.fold(conn, limit=FOLDED_AT_ONCE)
        folded += found
        for queue in queues:
            db.notify(queue)
        if is_published:
            db.notify(PUBLISHED)
    return folded


@operation
def name_queues(db: Database) -> int:
    """Choose the queues that metrics name, unless another process folds now; return how many changed."""
    with db.begin() as conn:
        return metrics.name_queues(conn)


@operation
def forget_unused(db: Database) -> int:
    """Delete the counts of UNUSED_AT_ONCE queues at most, which are not in use; none while another process folds."""
    with db.begin() as conn:
        return metrics.forget_unused(conn, limit=UNUSED_AT_ONCE)


@operation
def recount(db: Database, *, actor: Actor) -> list[str]:
    """Recount all jobs; return the queues whose counts were wrong. One transaction, which blocks no other."""
    with db.begin() as conn:
        wrong = counts.recount(conn)
        audit.note(
            conn, actor, Act(action="db.recount", affected=len(wrong), after={"queues": wrong[:RECOUNTED_SHOWN]})
        )
        return wrong
