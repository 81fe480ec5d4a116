"""Reads of sessions of the dashboard."""

from app.domain import sessions as domain
from app.domain.sessions import Session
from app.postgres.database import Database
from app.store import sessions


def find(db: Database, *, secret: str) -> Session | None:
    """Return the session of a cookie, unless it has ended. Raises DatabaseError."""
    with db.read_once() as conn:
        return sessions.find(conn, digest=domain.digest(secret))
