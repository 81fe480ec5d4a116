"""How many jobs a queue has in each status: kept by every statement that changes them, and never counted.

Such a statement adds a row of differences (`rowline.job_deltas`); whoever reads adds them up; `fold` keeps them few.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.domain.states import Status
from app.postgres.database import Connection
from app.store.statements import Statement

_count = Statement("counts/count")
_take_turn = Statement("counts/take_turn")
_await_turn = Statement("counts/await_turn")
_fold = Statement("counts/fold")
_recount = Statement("counts/recount")
_STATUSES = tuple(Status)  # in the order in which the statement counts; to walk through an enumeration takes longer


def count(conn: Connection, *, queue: str) -> dict[Status, int]:
    """Return how many jobs `queue` has in each status, at the moment that `conn` sees."""
    return _by_status(_count.rows(conn, queue=queue))


def send_count(conn: Connection, *, queue: str) -> Callable[[], dict[Status, int]]:
    """Ask the same in a block of `Database.read_together`; what is returned answers after the block."""
    rows_of = _count.send(conn, queue=queue)
    return lambda: _by_status(rows_of())


def _by_status(rows: Sequence[tuple[int, ...]]) -> dict[Status, int]:
    return dict(zip(_STATUSES, rows[0], strict=True))


class Folded(NamedTuple):
    """How many deltas were folded; and the queues that have ready jobs, some of which became ready by these deltas."""

    deltas: int
    queues: Sequence[str]


def fold(conn: Connection, *, limit: int) -> Folded:
    """Add about `limit` deltas to the counts of their queues; none if another process is at it."""
    if not _take_turn.rows(conn)[0].is_mine:
        return Folded(0, ())
    [row] = _fold.rows(conn, limit=limit)
    return Folded(row.deltas, row.queues)


def recount(conn: Connection) -> list[str]:
    """Count all jobs anew; name the queues whose counts were wrong. Nobody who changes jobs waits for it."""
    _await_turn.rows(conn)
    return sorted(row.queue for row in _recount.rows(conn))
