"""Long reads, of which a process makes only a few at once: the others would have no connection left."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.postgres.database import Database, DatabaseError

NEAR = 1_000
"""Up to so many rows a list is read without a permit."""


@contextmanager
def long_read(db: Database, *, if_beyond: int | None = None) -> Iterator[None]:
    """Wait for a permit, before the block takes a connection. Raises DatabaseError if none is free within the time.

    `if_beyond`: only if a list is read up to a row behind the first NEAR ones.
    """
    if if_beyond is not None and if_beyond <= NEAR:
        yield
        return
    with db.long_work(timeout_s=db.wait_s) as is_mine:
        if not is_mine:
            raise DatabaseError("too many searches and deep pages are read")
        yield
