"""Events, as whoever folds has published them: reading them in their order, and making room for new ones."""

import json
from collections.abc import Mapping, Sequence

from app.domain.events import Ends, Note, Shown, Title
from app.domain.job import JobKey
from app.postgres.database import Connection
from app.store.statements import Statement

_after = Statement("events/after")
_after_in_queue = Statement("events/after_in_queue")
_ends = Statement("events/ends")
_jobs = Statement("events/jobs")
_gone = Statement("events/gone")
_shown = Statement("events/shown")
_slot = Statement("events/slot")
_empty = Statement("events/empty")
_next_slot = Statement("events/next_slot")
SLOTS = 13


def after(conn: Connection, *, after: int, most: int, queue: str | None = None) -> list[Note]:
    """Return what was published after an event, of `queue` or of all: up to 1,000, with about `most` events."""
    asked: dict[str, object] = {"after": after, "most": most}
    found = _after.rows(conn, **asked) if queue is None else _after_in_queue.rows(conn, queue=queue, **asked)
    return [Note._make((*row[:-1], json.loads(row.details or "{}"))) for row in found]


def ends(conn: Connection) -> Ends:
    """Return between which ids events are kept."""
    [row] = _ends.rows(conn)
    return Ends(row.newest, row.oldest, row.now_ms)


def titles(conn: Connection, queues: Mapping[int, str], *, has_names: bool) -> dict[int, Title]:
    """Return how jobs are named, by their numbers, in one snapshot with their removals. `queues`: the queue of each.

    Jobs that are gone are named too. Without names those are left out whose id is their number.
    """
    asked = {"queues": [*queues.values()], "numbers": [*queues], "has_names": has_names}
    found = _jobs.rows(conn, **asked) if queues else []
    lacking = [row.number for row in found if not row.is_there]
    gone = {row.number: row.custom_id for row in (_gone.rows(conn, numbers=lacking) if lacking else [])}
    return {
        row.number: Title(row.custom_id or gone.get(row.number) or str(row.number), row.name)
        for row in found
        if has_names or row.custom_id or row.number in gone
    }


def shown(conn: Connection, *, job: JobKey, lines: Sequence[int]) -> Shown:
    """Return what events of progress and of lines show."""
    found = {row.line_number: row.text for row in _shown.rows(conn, queue=job.queue, number=job.number, lines=lines)}
    return Shown(found.pop(None, None), found)


def make_room(conn: Connection, *, keep_ms: int, max_bytes: int) -> bool:
    """Begin the next slot, and empty it before, if the current one is old or large enough; return whether.

    A slot is emptied once `SLOTS` - 1 others are filled. The caller holds the lock of folds.
    """
    [now] = _slot.rows(conn)
    if now.age_ms < keep_ms // (SLOTS - 1) and now.bytes < max_bytes // SLOTS:
        return False
    _empty.rows(conn, slot=(now.slot + 1) % SLOTS)
    _next_slot.rows(conn, slot=now.slot)
    return True
