"""What the metrics say of the database, and which queues they name."""

from app.domain.metrics import ACTIVE_S, IDLE_S, NAMED_MAX, OTHER, PRIORITIES_MAX, Figures, QueueFigures, Totals
from app.domain.queue import DRAIN_WINDOW
from app.domain.series import Durations
from app.domain.states import Status
from app.domain.workers import SEEN_S
from app.postgres.database import Connection
from app.store.seen import TOTALS
from app.store.statements import Statement
from app.store.tables import count_of

_try_lock = Statement("counts/try_lock")
_name_queues = Statement("counts/name_queues")
_forget_unused = Statement("counts/forget_unused")
_queues = Statement("metrics/queues")
_database = Statement("metrics/database")
_tables = Statement("metrics/tables")


def figures(conn: Connection, *, named_max: int = NAMED_MAX) -> Figures:
    """Return what the metrics say, in the snapshot of `conn`. Reads the counts of all queues."""
    [database] = _database.rows(conn)
    return Figures(
        queues=_queue_figures(conn, named_max),
        deltas=database.deltas,
        fold_age_s=database.fold_age_s,
        oldest_snapshot_s=database.oldest_snapshot_s,
        xid_age=database.xid_age,
        dead_rows={row.name: row.dead_rows for row in _tables.rows(conn)},
    )


def _queue_figures(conn: Connection, named_max: int) -> list[QueueFigures]:
    rows = _queues.rows(
        conn,
        most=named_max,
        other=OTHER,
        most_priorities=PRIORITIES_MAX,
        drain_minutes=DRAIN_WINDOW,
        seen_s=SEEN_S,
    )
    return [
        QueueFigures(
            name=OTHER if row.queue is None else row.queue,
            counts={status: getattr(row, count_of(status)) for status in Status},
            totals=Totals(**{total: getattr(row, f"total_{total}") for total in TOTALS}),
            paused=row.paused,
            workers=row.workers,
            oldest_ready_s=row.oldest_ready_s,
            ended=row.ended,
            wait=Durations(row.total_waits or (), row.total_wait_s),
            run=Durations(row.total_runs or (), row.total_run_s),
        )
        for row in rows
    ]


def name_queues(conn: Connection, *, named_max: int = NAMED_MAX) -> int:
    """Choose the queues that metrics name; return how many changed. None while a fold runs. Waits for no lock."""
    if not _try_lock.rows(conn)[0].is_mine:
        return 0
    return int(_name_queues.rows(conn, most=named_max, active_s=ACTIVE_S, other=OTHER)[0].queues)


def forget_unused(conn: Connection, *, limit: int, named_max: int = NAMED_MAX) -> int:
    """Delete the counts of up to `limit` queues that are not in use and have no name; return how many.

    What they counted is carried. None while a fold runs. Waits for no lock.
    """
    if not _try_lock.rows(conn)[0].is_mine:
        return 0
    return int(_forget_unused.rows(conn, limit=limit, most=named_max, idle_s=IDLE_S)[0].queues)
