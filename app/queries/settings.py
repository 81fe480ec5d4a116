"""Reads of the settings of the service."""

from app.domain.retention import Retention
from app.postgres.database import Database
from app.store import settings


def find(db: Database) -> Retention:
    """Return the settings of the service. Raises DatabaseError."""
    with db.read_once() as conn:
        return settings.find(conn)
