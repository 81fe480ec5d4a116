"""What happened in each minute, hour and day: the folds of counts write it (`store/counts.py`)."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.domain.queue import DAYS_KEPT, HOURS_KEPT_DAYS, MINUTES_KEPT, WINDOWS, Minutes, Tally
from app.postgres.database import Connection
from app.store.statements import Statement

_recent = Statement("minutes/recent")
_lately = Statement("minutes/lately")
_forget = Statement("minutes/forget")
_forget_hours = Statement("minutes/forget_hours")
_forget_days = Statement("minutes/forget_days")
_forget_queue = Statement("minutes/forget_queue")


def recent(conn: Connection, *, queues: Sequence[str]) -> dict[str, Mapping[int, Tally]]:
    """Return what happened in each of `queues` in the last full minutes, by how many of these: `WINDOWS`."""
    found: dict[str, dict[int, Tally]] = {queue: dict.fromkeys(WINDOWS, Tally()) for queue in queues}
    for row in _recent.rows(conn, queues=list(found), windows=WINDOWS) if found else ():
        found[row.queue][row.minutes] = Tally(row.added, row.completed, row.failed)
    return {**found}


def lately(conn: Connection, *, queues: Sequence[str], from_ms: int, minutes: int) -> dict[str, Minutes]:
    """Return what happened in each of `queues` in each of so many minutes from `from_ms` on, which begins one."""
    found = {queue: Minutes(from_ms, [0] * minutes, [0] * minutes) for queue in queues}
    from_at = datetime.fromtimestamp(from_ms / 1_000, UTC)
    for row in _lately.rows(conn, queues=list(found), from_at=from_at) if found else ():
        nth = round((row.minute - from_at).total_seconds()) // 60
        if nth < minutes:  # the next one may have begun
            found[row.queue].added[nth], found[row.queue].ended[nth] = row.added, row.ended
    return found


def ended(conn: Connection, *, queue: str, minutes: int) -> list[int]:
    """Return how many jobs of a queue completed or failed in each of the last full minutes, the newest first."""
    rows = _recent.rows(conn, queues=[queue], windows=[*range(1, minutes + 1)])
    upto = {row.minutes: row.completed + row.failed for row in rows}
    sums = [upto.get(ago, 0) for ago in range(minutes + 1)]
    return [later - before for before, later in itertools.pairwise(sums)]


def forget(conn: Connection, *, limit: int) -> int:
    """Make hours of up to `limit` rows of minutes that are not kept any more; return how many. Skips locked rows."""
    return len(_forget.rows(conn, keep_minutes=MINUTES_KEPT, limit=limit))


def forget_hours(conn: Connection, *, limit: int) -> int:
    """Make days of up to `limit` rows of hours that are not kept any more; return how many. Skips locked rows."""
    return len(_forget_hours.rows(conn, keep_days=HOURS_KEPT_DAYS, limit=limit))


def forget_days(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` rows of days that are not kept any more; return how many. Skips locked rows."""
    return len(_forget_days.rows(conn, keep_days=DAYS_KEPT, limit=limit))


def forget_queue(conn: Connection, *, queue: str) -> None:
    """Delete what is known of a queue by the minute, the hour and the day. Waits for row locks.

    Looks for its rows minute by minute, hour by hour and day by day.
    """
    _forget_queue.rows(conn, queue=queue)
