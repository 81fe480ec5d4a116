"""Retention: removing finished jobs that are not to be kept."""

from collections.abc import Sequence
from typing import NamedTuple

from app.domain.retention import FOR_EVER, REMEMBERED_S, SPARED_S, Target
from app.domain.states import Status
from app.postgres.database import Connection
from app.store import settings
from app.store.statements import Statement

_finished = Statement("retention/finished")
_aged = Statement("retention/aged")
_edge = Statement("retention/edge")
_sweep = Statement("retention/sweep")
_own = Statement("retention/own")
_sweep_own = Statement("retention/sweep_own")
_forget_removed = Statement("retention/forget_removed")
_forget_packs = Statement("retention/forget_packs")
_is_any_at_once = Statement("retention/is_any_at_once")
_next_at_once = Statement("retention/next_at_once")
_remove_at_once = Statement("retention/remove_at_once")
NEWEST = 1_000
"""Of so many jobs with settings of their own, the newest, the count is looked for that holds for their queue."""


class Swept(NamedTuple):
    """How many jobs a step looked at, the number of the last one, and how many it removed."""

    looked_at: int
    last: int | None
    removed: int


def targets(conn: Connection) -> list[tuple[Target, int]]:
    """Return the finished jobs that are not kept for ever, and how many there are as far as counts are folded."""
    found = []
    for row in _finished.rows(conn):
        for status, number, stored in (
            (Status.COMPLETED, row.completed, row.remove_on_complete),
            (Status.FAILED, row.failed, row.remove_on_fail),
        ):
            keep = settings.keep(stored)
            if number > 0 and keep is not None and keep != FOR_EVER:
                found.append((Target(row.queue, status, keep), number))
    return found


class Own(NamedTuple):
    """Finished jobs of a queue in one status that say themselves how long they are kept.

    `jobs`: how many there are in that status; `wanted`: how many the newest of them wants kept; None: any number.
    """

    queue: str
    status: Status
    jobs: int
    wanted: int | None


def own(conn: Connection) -> list[Own]:
    """Return where finished jobs say themselves how long they are kept."""
    return [Own(row.queue, Status(row.status), row.jobs or 0, row.wanted) for row in _own.rows(conn, limit=NEWEST)]


def aged(conn: Connection, asked: Sequence[Target]) -> list[Target]:
    """Return those of which the job with the lowest number is too old. All have an age."""
    rows = _aged.rows(
        conn,
        queues=[one.queue for one in asked],
        statuses=[one.status for one in asked],
        ages_s=[one.keep.age_s for one in asked],
    )
    return [asked[row.nth - 1] for row in rows]


def edge(conn: Connection, target: Target, *, with_own: bool = False) -> int | None:
    """Return the number of the newest job that is too many, None if none is. Reads as many entries as are kept.

    Jobs that say themselves how long they are kept do not count, or, `with_own`, do if they are not kept for ever.
    """
    if target.keep.count is None:
        return None
    found = _edge.rows(conn, queue=target.queue, status=target.status, count=target.keep.count, with_own=with_own)
    return int(found[0].number) if found else None


def sweep(conn: Connection, target: Target, *, edge: int | None, after: int, limit: int) -> Swept:
    """Look at `limit` jobs after the number `after`, in the order of adding; remove those not to be kept.

    Waits for row locks, and removes attempts and logs with the jobs.
    """
    age = {"age_s": target.keep.age_s}
    return _swept(_sweep, conn, target, edge=edge, after=after, limit=limit, **age)


def sweep_own(conn: Connection, target: Target, *, edge: int | None, after: int, limit: int) -> Swept:
    """Do what `sweep` does, of jobs that say themselves how long they are kept."""
    return _swept(_sweep_own, conn, target, edge=edge, after=after, limit=limit)


def _swept(statement: Statement, conn: Connection, target: Target, **parameters: int | None) -> Swept:
    [row] = statement.rows(conn, queue=target.queue, status=target.status, spared_s=SPARED_S, **parameters)
    return Swept(*row)


def is_any_at_once(conn: Connection) -> bool:
    """Return whether the service, an endpoint or a queue keeps none of its completed or of its failed jobs."""
    return bool(_is_any_at_once.rows(conn)[0].is_any)


def sweep_at_once(conn: Connection, target: Target, *, after: int, limit: int) -> Swept:
    """Look at jobs as `sweep` does; remove all that say nothing themselves, and remember them as `remove_at_once`."""
    [row] = _next_at_once.rows(conn, queue=target.queue, status=target.status, after=after, limit=limit)
    return Swept(row.looked_at, row.last, remove_at_once(conn, queue=target.queue, numbers=row.numbers))


def remove_at_once(conn: Connection, *, queue: str, numbers: Sequence[int]) -> int:
    """Remove those of the jobs that have ended, with their attempts and logs; return how many. Waits for row locks.

    For a while it is remembered how the last attempt of each ended, for who repeats its word.
    """
    return int(_remove_at_once.rows(conn, queue=queue, numbers=numbers)[0].removed) if numbers else 0


def forget_removed(conn: Connection, *, limit: int) -> int:
    """Forget, of the `limit` first jobs that were removed as they ended, the old ones; return how many."""
    return int(_forget_removed.rows(conn, limit=limit, age_s=REMEMBERED_S)[0].removed)


def forget_packs(conn: Connection, *, limit: int) -> int:
    """Do the same with packs, each of up to 256 attempts that completed jobs which went with that."""
    return int(_forget_packs.rows(conn, limit=limit, age_s=REMEMBERED_S)[0].removed)
