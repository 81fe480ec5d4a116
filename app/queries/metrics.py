"""Reads of what the metrics say of the database."""

from app.domain.metrics import Figures
from app.postgres.database import Database
from app.store import metrics


def figures(db: Database) -> Figures:
    """Return what the metrics say, in one snapshot. Raises DatabaseError."""
    with db.read() as conn:
        return metrics.figures(conn)
