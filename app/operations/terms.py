"""Terms of jobs that were there before: filled, or taken away, in bounded steps, each a transaction.

Until all jobs have theirs, no search goes by them. A step can be repeated: a process that dies in the middle loses
nothing.
"""

import time
from collections.abc import Sequence

from app.domain.jobfilter import JobFilter
from app.domain.terms import KNOWN_SINCE, TAGS, FillStatus, TermFill
from app.operations import operation
from app.operations.queues import require_release
from app.postgres.database import Connection, Database
from app.store import plans, programs, search, search_all, terms

LOOKED_AT_ONCE = 5_000
"""Jobs that a step looks at."""
FIRST_FEW, AT_ONCE = 10, 200
"""Jobs with terms that a transaction locks while it stores these: a claim passes them by. More while that is quick."""
QUICK_S = 0.1
CLEARED_AT_ONCE = 5_000
TRUSTED_S = 3_600.0
"""If no older node was connected for so long, older ones are kept out for good, so that tags can be filled."""


@operation
def begin(db: Database) -> None:
    """Have the tags of all queues filled, if they are not; called by who has just begun to do so."""
    with db.begin() as conn:
        if not terms.are_tags_filled(conn) and not any(one.path == TAGS for one in terms.unfinished(conn)):
            terms.await_others(conn)


@operation
def unfinished(db: Database) -> list[TermFill]:
    """Return what is not filled, or is to be taken away."""
    with db.begin() as conn:
        return terms.unfinished(conn)


@operation
def running(db: Database) -> set[str]:
    """Return the transactions of all programs that run now."""
    with db.begin() as conn:
        return terms.running(conn)


@operation
def are_older_kept_out(db: Database) -> bool:
    """Return whether no program of an older release, which stores no terms, is there, or can come any more.

    They are kept out from when none was seen for TRUSTED_S, or at once if there are no jobs at all.
    """
    with db.begin() as conn:
        if any(program.is_older_than(KNOWN_SINCE) for program in programs.connected(conn)):
            terms.await_others(conn)
            return False
        if programs.oldest(conn) >= KNOWN_SINCE:
            return True
        waited_s = max((one.waited_s for one in terms.unfinished(conn) if one.path == TAGS), default=0.0)
        if waited_s < TRUSTED_S and search_all.are_any_jobs(conn):
            return False
        require_release(conn, KNOWN_SINCE)
    return False  # one that came just before the commit is seen the next time


@operation
def go_on(db: Database, *, fill: TermFill) -> bool:
    """Begin what waited for transactions that have ended now, to fill or to clear, if it stands as `fill` says."""
    clears = fill.status is FillStatus.LEAVING or fill.path == TAGS  # older nodes leave terms of jobs that they remove
    with db.begin() as conn:
        status = FillStatus.CLEARING if clears else FillStatus.FILLING
        return terms.save(conn, fill, status, until=plans.begin(conn).number)


@operation
def step(db: Database, *, queue: str, path: str) -> bool:
    """Make a step of what is being filled or cleared; return whether there is more to do."""
    with db.begin() as conn:
        fill = _find(conn, queue, path)
        if fill is not None and fill.status is FillStatus.CLEARING:
            return _clear(conn, fill)
    return fill is not None and fill.status is FillStatus.FILLING and _fill(db, fill)


def _find(conn: Connection, queue: str, path: str) -> TermFill | None:
    return next((one for one in terms.unfinished(conn) if (one.queue, one.path) == (queue, path)), None)


def _clear(conn: Connection, fill: TermFill) -> bool:
    if not terms.lock(conn, fill):
        return False
    if terms.clear(conn, fill, limit=CLEARED_AT_ONCE) == CLEARED_AT_ONCE:
        return True
    if fill.path == TAGS:
        return terms.save(conn, fill, FillStatus.FILLING, until=fill.until)
    terms.drop(conn, fill)
    return False


def _fill(db: Database, fill: TermFill) -> bool:
    """Store the terms of the next jobs; those with higher numbers than `until` have theirs from the first."""
    with db.begin() as conn:
        found = _look(conn, fill)
    for queue, numbers in found.numbers.items():
        if not _fill_queue(db, fill, queue, numbers):
            return False
        db.notify(queue)  # a claim may have skipped a locked job
    with db.begin() as conn:
        status = FillStatus.SETTLING if found.is_over else FillStatus.FILLING
        at = fill.at if found.last is None else found.last
        is_saved = terms.save(conn, fill, status, at=at, until=fill.until, looked_at=found.looked_at)
    return is_saved and not found.is_over


def _fill_queue(db: Database, fill: TermFill, queue: str, numbers: Sequence[int]) -> bool:
    """Store the terms of some jobs; return False if `fill` is not to go on."""
    most, first = FIRST_FEW, 0
    while first < len(numbers):
        began_at = time.monotonic()
        with db.begin() as conn:
            if not terms.lock(conn, fill):
                return False
            terms.fill(conn, queue=queue, numbers=numbers[first : first + most])
        first += most
        most = min(2 * most, AT_ONCE) if time.monotonic() - began_at < QUICK_S else FIRST_FEW
    return True


@operation
def settle(db: Database, *, fill: TermFill) -> bool:
    """Remove terms whose jobs were removed while these were filled; then searches go by them. False: it is done.

    A removal that waits for a job that is being filled does not see its new terms. All such ones have ended.
    """
    place, is_over = None, False
    while not is_over:
        began_at = time.monotonic()
        with db.begin() as conn:
            if not terms.lock(conn, fill):
                return False
            place = terms.remove_orphans(conn, fill, after=place, limit=CLEARED_AT_ONCE)
        is_over = place is None
        time.sleep(time.monotonic() - began_at)
    with db.begin() as conn:
        terms.save(conn, fill, FillStatus.FILLED, at=fill.at, until=fill.until)
    return False


def _look(conn: Connection, fill: TermFill) -> terms.Looked:
    if fill.path == TAGS:
        return terms.next_tagged(conn, after=fill.at, until=fill.until, limit=LOOKED_AT_ONCE)
    found = search.search(
        conn,
        queue=fill.queue,
        wanted=JobFilter(),
        after=fill.at,
        until=fill.until,
        newest_first=False,
        limit=LOOKED_AT_ONCE,
        most=LOOKED_AT_ONCE + 1,
    )
    numbers = {fill.queue: found.numbers} if found.numbers else {}
    return terms.Looked(found.looked_at, found.last, numbers, is_over=found.is_complete)
