"""Reads of the workers of a queue."""

from app.domain.workers import SeenWorker
from app.postgres.database import Database
from app.store import workers


def seen(db: Database, *, queue: str) -> tuple[int, list[SeenWorker]]:
    """Return how many workers of `queue` were seen within a minute, and the first 1,000, by name.

    Raises DatabaseError.
    """
    with db.read_once() as conn:
        return workers.seen(conn, queue=queue)
