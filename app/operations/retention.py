"""Retention: removes finished jobs that are not to be kept, in bounded steps, beside the work."""

import time
from typing import NamedTuple

from app.domain.retention import FOR_EVER, Keep, Target
from app.operations import operation
from app.postgres.database import Database
from app.store import retention

AT_ONCE = 1_000
"""Jobs that a transaction looks at."""
ASKED_AT_ONCE = 1_000  # queues whose oldest jobs one statement reads


class _Pass(NamedTuple):
    target: Target
    edge: int | None  # the number up to which jobs are too many
    after: int = 0
    is_own: bool = False  # over the jobs that say themselves how long they are kept, or over the others


@operation
def sweep(db: Database, *, is_whole: bool) -> dict[str, int]:
    """Remove finished jobs that are too old or too many; return how many, by queue. A transaction for each step.

    Jobs are looked at in the order of adding, in which most of them end. A queue is left at the first step that removes
    nothing; if `is_whole`, only behind its last job: so jobs are found that ended before one that was added earlier.
    After each step it rests for as long as that took.
    """
    _forget_removed(db)
    removed: dict[str, int] = {}
    left = _with_own(db, _begun(db, is_whole=is_whole))
    while left:
        left = [following for one in left if (following := _step(db, one, removed, is_whole=is_whole))]
    return removed


def _forget_removed(db: Database) -> None:
    forgotten = AT_ONCE
    while forgotten == AT_ONCE:
        with db.begin() as conn:
            forgotten = retention.forget_removed(conn, limit=AT_ONCE)


def _begun(db: Database, *, is_whole: bool) -> list[_Pass]:
    """Return the passes over jobs that may be too old or too many by what is set for all jobs of a queue."""
    with db.begin() as conn:
        counted = retention.targets(conn)
    old: set[Target] = set()
    aged = [target for target, _ in counted if target.keep.age_s is not None]
    for first in range(0, len(aged), ASKED_AT_ONCE):
        asked = aged[first : first + ASKED_AT_ONCE]
        with db.begin() as conn:
            old.update(asked if is_whole else retention.aged(conn, asked))
    found = []
    for target, number in counted:
        are_many = target.keep.count is not None and number > target.keep.count
        if target in old or are_many:
            with db.begin() as conn:
                found.append(_Pass(target, retention.edge(conn, target) if are_many else None))
    return found


def _with_own(db: Database, begun: list[_Pass]) -> list[_Pass]:
    """Add the passes over jobs with settings of their own. A count of such a job trims its queue, the others too."""
    passes = {(one.target.queue, one.target.status): one for one in begun}
    with db.begin() as conn:
        found = retention.own(conn)
    own = []
    for queue, status, number, count in found:
        edge = None
        if count is not None and number > count:
            with db.begin() as conn:
                edge = retention.edge(conn, Target(queue, status, Keep(count=count)), with_own=True)
        own.append(_Pass(Target(queue, status, FOR_EVER), edge, is_own=True))
        if edge is not None:
            others = passes.get((queue, status), _Pass(Target(queue, status, FOR_EVER), None))
            passes[queue, status] = others._replace(edge=max(edge, others.edge or 0))
    return [*passes.values(), *own]


def _step(db: Database, one: _Pass, removed: dict[str, int], *, is_whole: bool) -> _Pass | None:
    """Make a step, count what it removed, and rest. Return the next one, None at the end."""
    began_at = time.monotonic()
    with db.begin() as conn:
        step = retention.sweep_own if one.is_own else retention.sweep
        swept = step(conn, one.target, edge=one.edge, after=one.after, limit=AT_ONCE)
    if swept.removed:
        removed[one.target.queue] = removed.get(one.target.queue, 0) + swept.removed
    time.sleep(time.monotonic() - began_at)
    is_over = swept.last is None or swept.looked_at < AT_ONCE or not (swept.removed or is_whole)
    return None if is_over or swept.last is None else one._replace(after=swept.last)
