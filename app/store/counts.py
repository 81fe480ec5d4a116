"""How many jobs a queue has in each status: kept by every statement that changes them, and never counted.

Such a statement adds a row of differences (`rowline.job_deltas`); whoever reads adds them up; `fold` keeps them few.
"""

from app.domain.states import Status
from app.infra.database import Connection
from app.store.statements import Statement
from app.store.tables import count_of

_count = Statement("counts/count")
_take_turn = Statement("counts/take_turn")
_await_turn = Statement("counts/await_turn")
_fold = Statement("counts/fold")
_recount = Statement("counts/recount")

COLUMNS = {status: count_of(status) for status in Status}


def count(conn: Connection, *, queue: str) -> dict[Status, int]:
    """Return how many jobs `queue` has in each status, at the moment that `conn` sees."""
    [row] = _count.rows(conn, queue=queue)
    return {status: getattr(row, column) for status, column in COLUMNS.items()}


def fold(conn: Connection, *, limit: int) -> int:
    """Add about `limit` deltas to the counts of their queues; return how many, 0 if another process is at it."""
    if not _take_turn.rows(conn)[0].is_mine:
        return 0
    return int(_fold.rows(conn, limit=limit)[0].deltas)


def recount(conn: Connection) -> list[str]:
    """Count all jobs anew; name the queues whose counts were wrong. Nobody who changes jobs waits for it."""
    _await_turn.rows(conn)
    return sorted(row.queue for row in _recount.rows(conn))
