"""What handlers log: lines of a job, in the order they came."""

from app.domain.attempts import LOGS_KEPT
from app.domain.job import LeaseKey
from app.postgres.database import Connection
from app.store.statements import Statement

_append = Statement("logs/append")
_trim = Statement("logs/trim")

TRIM_SHARE = 10
"""A log is cut when about a tenth more lines have come than are kept, not at every line; readers see none of it."""


def append(conn: Connection, *, queue: str, lease: LeaseKey, line: str) -> bool:
    """Add a line to the log of a job that is held; say whether it is."""
    added = _append.rows(conn, queue=queue, number=lease.number, token=lease.token, line=line)
    if not added:
        return False
    kept = LOGS_KEPT if added[0].logs_kept is None else added[0].logs_kept
    if added[0].line_number % max(1, kept // TRIM_SHARE) == 0:
        _trim.rows(conn, queue=queue, number=lease.number, kept=kept)
    return True
