"""The jobs that run now: the active ones."""

from collections.abc import Sequence
from typing import Any

from app.domain.running import RunningJob
from app.postgres.database import Connection
from app.store.statements import Statement

_find = Statement("running/find")
_find_of_all = Statement("running/find_of_all")


def find(conn: Connection, *, queue: str, most: int) -> list[RunningJob]:
    """Return up to `most` active jobs of a queue, in the order of adding."""
    return [*map(_running, _find.rows(conn, queue=queue, most=most))]


def find_of_all(conn: Connection, *, allowed: Sequence[str], most: int) -> list[RunningJob]:
    """Return up to `most` active jobs of the queues whose names match one pattern of LIKE, by queue."""
    return [*map(_running, _find_of_all.rows(conn, allowed=allowed, most=most))]


def _running(row: Any) -> RunningJob:
    return RunningJob(
        queue=row.queue,
        id=row.id,
        name=row.name,
        attempt=row.attempts_started,
        worker=row.processed_by,
        started_at=row.processed_at,
        leased_until=row.leased_until,
        cancel_requested_at=row.cancel_requested_at,
        progress=row.progress,
        at=row.at,
    )
