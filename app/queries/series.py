"""Reads of what happened in a queue over time."""

from app.domain.series import Periods, Series, Step
from app.postgres.database import Database
from app.store import schedules, series


def of_queue(
    db: Database,
    *,
    queue: str,
    from_ms: int | None = None,
    to_ms: int | None = None,
    step: Step | None = None,
) -> Series:
    """Return what happened in a queue from `from_ms` to `to_ms`, as `Periods.asked` has it, in one snapshot.

    A period in which nothing happened has zeros. Raises InvalidRequest, DatabaseError.
    """
    with db.read() as conn:
        now_ms = schedules.now_ms(conn)
        periods = Periods.asked(now_ms=now_ms, from_ms=from_ms, to_ms=to_ms, step=step)
        points = series.of_queue(conn, queue=queue, periods=periods)
        return Series(queue=queue, periods=periods, now_ms=now_ms, points=points)
