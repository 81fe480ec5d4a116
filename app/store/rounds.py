"""What one process at a time looks for on behalf of all: whether time has brought anything."""

from app.postgres import notify
from app.postgres.database import Connection
from app.postgres.wakeups import PULSE
from app.store.statements import Statement

_look = Statement("rounds/look")


def look(conn: Connection, *, word: str | None) -> tuple[bool, bool]:
    """Say whether a delayed job is due anywhere, and whether there are deltas to fold.

    Sends `word` to all processes that hear pulses, unless it is None.
    """
    [row] = _look.rows(conn, channel=notify.channel(PULSE), words=[] if word is None else [word])
    return row.is_due, row.is_unfolded
