"""Retention: removes finished jobs that are not to be kept, in bounded steps, beside the work."""

import time
from typing import NamedTuple

from app.domain.retention import FOR_EVER, Keep, Target
from app.operations import operation
from app.postgres.database import Connection, Database, DatabaseError
from app.store import retention

AT_ONCE = 1_000
"""Jobs that a transaction looks at."""
FEW = 10
"""The same in a queue in which a step failed: each job may have much that goes with it, or long data with keys."""
PACKS_AT_ONCE = 100
"""Packs that a transaction forgets, each of up to 256 attempts."""
FAILED_MAX = 3
"""So many steps in a row that fail end all passes: it is not the jobs, but the database."""
_slow: dict[str, float] = {}
"""Queues in which a step failed within SLOW_S, and when, by the monotonic clock; the last SLOW_MAX of them."""
SLOW_MAX = 1_000
SLOW_S = 3_600.0
ASKED_AT_ONCE = 1_000  # queues whose oldest jobs one statement reads
MANY = 10_000
"""Finished jobs of a queue that keeps none which are all looked at each time: some may say that they are kept."""


class _Pass(NamedTuple):
    target: Target
    edge: int | None  # the number up to which jobs are too many
    after: int = 0
    is_own: bool = False  # over the jobs that say themselves how long they are kept, or over the others
    is_whole: bool = False  # to the last job; else to the first step that removes nothing

    @property
    def limit(self) -> int:
        """How many jobs a step looks at."""
        return FEW if self.target.queue in _slow else AT_ONCE


def _note_slow(queue: str) -> None:
    _slow.pop(queue, None)
    _slow[queue] = time.monotonic()
    if len(_slow) > SLOW_MAX:
        del _slow[next(iter(_slow))]


def _forget_slow() -> None:
    for queue in [queue for queue, noted_at in _slow.items() if noted_at < time.monotonic() - SLOW_S]:
        del _slow[queue]


@operation
def sweep(db: Database, *, is_whole: bool) -> dict[str, int]:
    """Remove finished jobs that are too old or too many; return how many, by queue. A transaction for each step.

    Jobs are looked at in the order of adding, in which most of them end. A queue is left at the first step that removes
    nothing; if `is_whole`, only behind its last job: so jobs are found that ended before one that was added earlier.
    After each step it rests for as long as that took. What is not kept at all is left to `sweep_at_once`, unless it
    `is_whole`.
    """
    _forget_removed(db)
    removed = sweep_at_once(db, is_whole=True) if is_whole else {}
    left = _with_own(db, _begun(db, is_whole=is_whole))
    return _run(db, [one._replace(is_whole=is_whole) for one in left], removed)


@operation
def is_any_at_once(db: Database) -> bool:
    """Return whether the service, an endpoint or a queue keeps none of its finished jobs, for `sweep_at_once`."""
    with db.begin() as conn:
        return retention.is_any_at_once(conn)


@operation
def sweep_at_once(db: Database, *, is_whole: bool = False) -> dict[str, int]:
    """Remove the finished jobs of queues that keep none; return how many, by queue. A transaction for each step.

    A queue is left at the first step that removes nothing, if it has more than MANY jobs and it is not `is_whole`: so
    those that say themselves that they are kept are not all looked at each time. It rests as `sweep` does.
    """
    with db.begin() as conn:
        counted = retention.targets(conn)
    none = [(target, number) for target, number in counted if target.keep.is_none]
    return _run(db, [_Pass(target, None, is_whole=is_whole or number <= MANY) for target, number in none], {})


def _run(db: Database, left: list[_Pass], removed: dict[str, int]) -> dict[str, int]:
    """Make a step of each pass in turn, until all are over; return how many were removed, with those before.

    A pass whose step fails goes on with FEW jobs at a time; if that fails too, it is over, and the first such error is
    raised when the others are over.
    """
    _forget_slow()
    errors: list[DatabaseError] = []
    in_a_row = 0
    while left:
        following: list[_Pass | None] = []
        for one in left:
            try:
                following.append(_step(db, one, removed))
                in_a_row = 0
            except DatabaseError as error:
                in_a_row += 1
                if in_a_row == FAILED_MAX:
                    raise
                is_last_try = one.limit == FEW
                _note_slow(one.target.queue)
                errors += [error] if is_last_try else []
                following.append(None if is_last_try else one)
        left = [one for one in following if one]
    if errors:
        raise errors[0]
    return removed


def _forget_removed(db: Database) -> None:
    for forget, limit in ((retention.forget_removed, AT_ONCE), (retention.forget_packs, PACKS_AT_ONCE)):
        forgotten = limit
        while forgotten == limit:
            with db.begin() as conn:
                forgotten = forget(conn, limit=limit)


def _begun(db: Database, *, is_whole: bool) -> list[_Pass]:
    """Return the passes over jobs that may be too old or too many by what is set for all jobs of a queue."""
    with db.begin() as conn:
        counted = [(target, number) for target, number in retention.targets(conn) if not target.keep.is_none]
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


def _step(db: Database, one: _Pass, removed: dict[str, int]) -> _Pass | None:
    """Make a step, count what it removed, and rest. Return the next one, None at the end."""
    began_at = time.monotonic()
    with db.begin() as conn:
        swept = _swept(conn, one)
    if swept.removed:
        removed[one.target.queue] = removed.get(one.target.queue, 0) + swept.removed
    time.sleep(time.monotonic() - began_at)
    is_over = swept.last is None or swept.looked_at < one.limit or not (swept.removed or one.is_whole)
    return None if is_over or swept.last is None else one._replace(after=swept.last)


def _swept(conn: Connection, one: _Pass) -> retention.Swept:
    if one.target.keep.is_none:
        return retention.sweep_at_once(conn, one.target, after=one.after, limit=one.limit)
    step = retention.sweep_own if one.is_own else retention.sweep
    return step(conn, one.target, edge=one.edge, after=one.after, limit=one.limit)
