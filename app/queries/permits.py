"""Long reads, of which a process makes only a few at once: the others would have no connection left."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.postgres.database import Database, DatabaseError


@contextmanager
def long_read(db: Database) -> Iterator[None]:
    """Wait for a permit, before the block takes a connection. Raises DatabaseError if none is free within the time."""
    with db.long_work(timeout_s=db.wait_s) as is_mine:
        if not is_mine:
            raise DatabaseError("too many searches and deep pages are read")
        yield
