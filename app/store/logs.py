"""The log lines of jobs, in the order in which they arrived."""

import random

from app.domain.attempts import LOGS_KEPT
from app.domain.job import LeaseKey
from app.postgres.database import Connection
from app.store.statements import Statement

_append = Statement("logs/append")
_trim = Statement("logs/trim")

TRIM_SHARE = 10
"""A log is trimmed about once in 1/TRIM_SHARE of the lines it keeps, not at every line; readers do not notice.

At random: the numbers of lines are of one sequence for all jobs, so that those of one job may all be odd.
"""


def append(conn: Connection, *, queue: str, lease: LeaseKey, line: str) -> bool:
    """Append a line to the log of a job if the lease is held; return whether it is."""
    added = _append.rows(conn, queue=queue, number=lease.number, token=lease.token, line=line)
    if not added:
        return False
    kept = LOGS_KEPT if added[0].logs_kept is None else added[0].logs_kept
    if random.random() * max(1, kept // TRIM_SHARE) < 1:  # noqa: S311 - no secret
        _trim.rows(conn, queue=queue, number=lease.number, kept=kept)
    return True
