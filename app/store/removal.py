"""Removing many jobs of a queue: locking some of them, in the order of their numbers, and deleting those."""

from typing import NamedTuple

from app.domain.states import ACTIVE, Status
from app.postgres.database import Connection
from app.store import jobs
from app.store.statements import Statement

_next_number = Statement("removal/next_number")
_lock_jobs = Statement("removal/lock_jobs")
_lock_active = Statement("removal/lock_active")
_remove_active = Statement("removal/remove_active")


class Step(NamedTuple):
    """How many jobs a step looked at, the number of the last one, and how many it removed."""

    looked_at: int
    last: int | None
    removed: int


def next_number(conn: Connection) -> int:
    """Return a number that is above those of all jobs there are, and below those of all that are added later."""
    return int(_next_number.rows(conn)[0].number)


def remove(
    conn: Connection, *, queue: str, status: Status, grace_ms: int | None, after: int, until: int, limit: int, most: int
) -> Step:
    """Look at `limit` jobs in `status` with numbers above `after`, up to `until`; remove up to `most` of them.

    `grace_ms`: those that ended, or were added if they have not, at least so long ago. Waits for row locks. They are
    locked by a statement of their own, so that the next one sees what others stored with these jobs until then.
    """
    if status in ACTIVE:
        return _active(conn, queue=queue, after=after, until=until, limit=min(limit, most))
    [found] = _lock_jobs.rows(
        conn, queue=queue, status=status, grace_ms=grace_ms, after=after, until=until, limit=limit, most=most
    )
    return Step(found.looked_at, found.last, jobs.remove(conn, queue=queue, numbers=found.numbers))


def _active(conn: Connection, *, queue: str, after: int, until: int, limit: int) -> Step:
    numbers = active(conn, queue=queue, after=after, until=until, limit=limit)
    if not numbers:
        return Step(0, None, 0)
    removed = len(_remove_active.rows(conn, queue=queue, numbers=numbers))
    return Step(len(numbers), numbers[-1], removed)


def active(conn: Connection, *, queue: str, until: int, limit: int, after: int = 0) -> list[int]:
    """Lock the first `limit` active jobs with numbers above `after`, up to `until`; return their numbers."""
    return [row.number for row in _lock_active.rows(conn, queue=queue, after=after, until=until, limit=limit)]
