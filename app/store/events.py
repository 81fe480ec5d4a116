"""Events, as whoever folds has published them: reading them in their order, and making room for new ones."""

import json
from collections.abc import Iterable, Sequence

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


def titles(conn: Connection, keys: Iterable[JobKey]) -> dict[JobKey, Title]:
    """Return how jobs are named, those too that are gone, in one snapshot: so their removals tell of them."""
    wanted = list(dict.fromkeys(keys))
    asked = {"queues": [key.queue for key in wanted], "numbers": [key.number for key in wanted]}
    found = {
        JobKey(row.queue, row.number): Title(row.custom_id or str(row.number), row.name)
        for row in (_jobs.rows(conn, **asked) if wanted else [])
    }
    lacking = [key.number for key in wanted if key not in found]
    gone = {
        JobKey(row.queue, row.number): Title(row.custom_id, None)
        for row in (_gone.rows(conn, numbers=lacking) if lacking else [])
    }
    return {key: found.get(key) or gone.get(key) or Title(str(key.number), None) for key in wanted}


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
