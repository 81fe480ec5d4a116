"""Reads of what happened in a queue over time."""

import contextlib

from app.domain.series import Periods, Series, Step
from app.postgres.database import Database
from app.queries.permits import long_read
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

    A period in which nothing happened has zeros. Unless it is the last hour, it takes a permit for long reads. Raises
    InvalidRequest, DatabaseError.
    """
    is_last_hour = from_ms is None and step in {None, Step.MINUTE}
    with contextlib.nullcontext() if is_last_hour else long_read(db), db.read() as conn:
        now_ms = schedules.now_ms(conn)
        periods = Periods.asked(now_ms=now_ms, from_ms=from_ms, to_ms=to_ms, step=step)
        points = series.of_queue(conn, queue=queue, periods=periods)
        return Series(queue=queue, periods=periods, now_ms=now_ms, points=points)
