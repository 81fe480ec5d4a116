"""The workers of queues: what a process sees is written, and what is old is forgotten."""

from collections.abc import Collection, Sequence

from app.domain.workers import Sighting
from app.operations import operation
from app.postgres.database import Database
from app.store import workers

FORGOTTEN_AT_ONCE = 1_000  # rows per transaction


@operation
def note(db: Database, *, process: str, sightings: Sequence[Sighting], gone: Collection[tuple[str, str]] = ()) -> None:
    """Write the workers that `process` sees, and delete its rows of `gone`: queue and worker. One statement."""
    with db.write_once() as conn:  # on a connection that an idle process keeps open
        workers.note(conn, process=process, sightings=sightings, gone=gone)


@operation
def forget(db: Database) -> int:
    """Delete the rows of workers that were not seen for long; return how many. A transaction for each step."""
    forgotten, removed = 0, FORGOTTEN_AT_ONCE
    while removed == FORGOTTEN_AT_ONCE:
        with db.begin() as conn:
            removed = workers.forget(conn, limit=FORGOTTEN_AT_ONCE)
        forgotten += removed
    return forgotten
