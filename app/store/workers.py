"""The workers of queues: each process writes those that it sees, all in one statement."""

from collections.abc import Collection, Sequence

from app.domain.workers import ACTIVE_MAX, LISTED_MAX, SEEN_S, SeenWorker, Sighting, Way
from app.postgres.database import Connection
from app.store.statements import Statement

_note = Statement("workers/note")
_seen = Statement("workers/seen")
_forget = Statement("workers/forget")


def note(
    conn: Connection, *, process: str, sightings: Sequence[Sighting], gone: Collection[tuple[str, str]] = ()
) -> None:
    """Write what the process `process`, a UUID, sees, each worker once; delete its rows of `gone`: queue and worker."""
    gone = list(gone)
    _note.rows(
        conn,
        process=process,
        gone_queues=[queue for queue, _ in gone],
        gone_workers=[worker for _, worker in gone],
        queues=[one.queue for one in sightings],
        workers=[one.worker for one in sightings],
        ways=[one.way.value for one in sightings],
        slots=[one.slots for one in sightings],
        busy=[one.busy for one in sightings],
        ago_ms=[one.ago_ms for one in sightings],
    )


def seen(conn: Connection, *, queue: str) -> tuple[int, list[SeenWorker]]:
    """Return how many workers of `queue` were seen within SEEN_S, and up to LISTED_MAX of them, by name."""
    rows = _seen.rows(conn, queue=queue, seen_s=SEEN_S, most_active=ACTIVE_MAX, limit=LISTED_MAX)
    found = [SeenWorker(row.worker, Way(row.way), row.slots, row.busy, row.seen_at) for row in rows]
    return (rows[0].workers if rows else 0), found


def forget(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` rows of workers that do not count any more; return how many. Skips locked rows."""
    return len(_forget.rows(conn, seen_s=2 * SEEN_S, limit=limit))
