"""Which job holds a deduplication id."""

from app.domain.deduplication import Holder
from app.postgres.database import Database
from app.store import deduplications


def find(db: Database, *, queue: str, dedup_id: str) -> Holder:
    """Return who holds an id. Raises NotHeld, DatabaseError."""
    with db.read() as conn:
        return deduplications.holder(conn, queue=queue, dedup_id=dedup_id)
