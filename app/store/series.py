"""What happened in a queue over time, of what `app/store/minutes.py` keeps."""

from datetime import UTC, datetime

from app.domain.series import LENGTH_MS, Durations, Periods, Point, Step
from app.postgres.database import Connection
from app.store.statements import Statement

_of_queue = Statement("series/of_queue")


def of_queue(conn: Connection, *, queue: str, periods: Periods) -> dict[int, Point]:
    """Return what happened in those of the periods in which anything did, by their begin in ms, in their order."""
    rows = _of_queue.rows(
        conn,
        queue=queue,
        from_at=_moment(periods.from_ms),
        to_at=_moment(periods.to_ms),
        step=LENGTH_MS[periods.step] // 1_000,
        has_hours=periods.step is not Step.MINUTE,
        has_days=periods.step is Step.DAY,
    )
    return {
        round(row.from_at.timestamp() * 1_000): Point(
            row.added,
            row.claimed,
            row.completed,
            row.failed,
            row.retried,
            row.stalled,
            Durations(row.waits or (), row.wait_s),
            Durations(row.runs or (), row.run_s),
        )
        for row in rows
    }


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, tz=UTC)
