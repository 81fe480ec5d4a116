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
    since_ms: int | None = None,
    step: Step | None = None,
) -> Series:
    """Return what happened in a queue from `from_ms` to `to_ms`, as `Periods.asked` has it, in one snapshot.

    `since_ms` is how far back it begins, in the place of `from_ms`. A period in which nothing happened has zeros.
    Raises InvalidRequest, DatabaseError.
    """
    with db.read() as conn:
        now_ms = schedules.now_ms(conn)
        begin_ms = from_ms if since_ms is None else now_ms - since_ms
        periods = Periods.asked(now_ms=now_ms, from_ms=begin_ms, to_ms=to_ms, step=step)
        points = series.of_queue(conn, queue=queue, periods=periods)
        return Series(queue=queue, periods=periods, now_ms=now_ms, points=points)
