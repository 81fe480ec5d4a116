"""How many jobs a queue has in each status: maintained by every statement that changes jobs, so that none are counted.

Such a statement adds a row of differences (`rowline.job_deltas`). A reader adds them up; `fold` keeps them few. Whoever
folds them also adds up what happened in each minute (`rowline.job_minutes`), which the signs of the differences tell.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.domain.events import TOLD_SINCE
from app.domain.states import Status
from app.postgres.database import Connection
from app.postgres.pool import driver_of
from app.store import programs
from app.store.statements import Statement

_count = Statement("counts/count")
_try_lock = Statement("counts/try_lock")
_await_lock = Statement("counts/await_lock")
_fold = Statement("counts/fold")
_recount = Statement("counts/recount")
READ = 2
"""How many times as many deltas are read as are folded at once: of the others it is not known that they are next."""
ALL = 2**62
_STATUSES = tuple(Status)  # in the order of the statement's columns; iterating over an enumeration takes longer


def count(conn: Connection, *, queue: str) -> dict[Status, int]:
    """Return how many jobs `queue` has in each status, in the snapshot of `conn`."""
    return _by_status(_count.rows(conn, queue=queue))


def send_count(conn: Connection, *, queue: str) -> Callable[[], dict[Status, int]]:
    """Send `count` in a block of `Database.read_pipeline`; call the returned function after the block."""
    rows_of = _count.send(conn, queue=queue)
    return lambda: _by_status(rows_of())


def _by_status(rows: Sequence[tuple[int, ...]]) -> dict[Status, int]:
    return dict(zip(_STATUSES, rows[0], strict=True))


class Folded(NamedTuple):
    """How many deltas were folded, and the queues that have ready jobs, some of them by these deltas.

    `published`: whether events are published; `is_cut`: whether there may be more deltas.
    """

    deltas: int
    queues: Sequence[str]
    published: bool = False
    is_cut: bool = False


def fold(conn: Connection, *, limit: int) -> Folded:
    """Add up to `limit` deltas to the counts of their queues; none if another process is folding. Waits for no lock.

    The events that they tell are published, in the order of each job.
    """
    [locked] = _try_lock.rows(conn)
    if not locked.is_mine:
        return Folded(0, ())
    asked = {"limit": limit, "publishes": _publishes(conn, has_gap=locked.has_gap)}
    [row] = _fold.rows(conn, most=READ * limit, **asked)
    if row.is_cut and not row.deltas:  # a few transactions wrote so many
        [row] = _fold.rows(conn, most=ALL, **asked)
    return Folded(row.deltas, row.queues, row.published > 0, row.is_cut)


def _publishes(conn: Connection, *, has_gap: bool) -> bool:
    """Return whether events are published now: not in a gap until no program is connected that makes it longer."""
    if not driver_of(conn).tells:
        return False
    return not has_gap or not any(one.is_older_than(TOLD_SINCE) for one in programs.connected(conn))


def await_folds(conn: Connection) -> None:
    """Wait for a fold that runs, and block folds until the transaction ends."""
    _await_lock.rows(conn)


def recount(conn: Connection) -> list[str]:
    """Count all jobs and correct the counts; return the queues whose counts were wrong.

    Waits for a fold that runs, and blocks folds until the transaction ends, but no statement that changes jobs.
    """
    [locked] = _await_lock.rows(conn)
    return sorted(row.queue for row in _recount.rows(conn, publishes=_publishes(conn, has_gap=locked.has_gap)))
