"""The workers of queues: what a process sees is written."""

from collections.abc import Collection, Sequence

from app.domain.workers import Sighting
from app.operations import operation
from app.postgres.database import Database
from app.store import workers


@operation
def note(db: Database, *, process: str, sightings: Sequence[Sighting], gone: Collection[tuple[str, str]] = ()) -> None:
    """Write the workers that `process` sees, and delete its rows of `gone`: queue and worker. One statement."""
    with db.write_once() as conn:  # on a connection that an idle process keeps open
        workers.note(conn, process=process, sightings=sightings, gone=gone)
