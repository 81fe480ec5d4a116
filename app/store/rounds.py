"""The check that one process at a time does for all: whether there are jobs to promote and deltas to fold."""

from app.postgres import notify
from app.postgres.database import Connection
from app.postgres.pool import driver_of
from app.postgres.wakeups import PULSE
from app.store.statements import Statement

_look = Statement("rounds/look")


def look(conn: Connection, *, word: str | None) -> tuple[bool, bool, bool, bool, bool, bool, int]:
    """Return whether a delayed job is due in any queue, whether there are deltas to fold, whether a job is late.

    And whether plans go on by themselves, whether jobs are stored to follow others, whether a schedule is due, and the
    time, in ms. Sends the pulse `word` to all processes, unless it is None.
    """
    words = [] if word is None else [word]
    [row] = _look.rows(conn, channel=notify.channel(PULSE), words=words, tells=driver_of(conn).tells)
    return row.is_due, row.is_unfolded, row.is_late, row.has_plans, row.has_stored, row.has_ticks, row.now_ms
