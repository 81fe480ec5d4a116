"""Queues: their settings, and how they stand. A queue that sets nothing has no row."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.domain import defaults
from app.domain.programs import SERVING
from app.domain.queue import NUMBERS, PRIORITIES_MAX, Pause, Queue, Tally
from app.domain.retention import Keep
from app.domain.states import Status
from app.domain.terms import FillStatus, Key
from app.domain.workers import SEEN_S
from app.postgres.database import Connection
from app.store import counts, minutes, settings, terms
from app.store.statements import Statement
from app.store.tables import count_of

_pause = Statement("queues/pause")
_resume = Statement("queues/resume")
_change = Statement("queues/change")
_tidy = Statement("queues/tidy")
_forget = Statement("queues/forget")
_require_release = Statement("queues/require_release")
_transactions = Statement("queues/transactions")
_page = Statement("queues/page")
_stand = Statement("queues/stand")


def pause(conn: Connection, *, queue: str, by: str, reason: str | None) -> tuple[Pause, bool]:
    """Pause a queue; return its pause, and whether it is new: an earlier one stays as it is. Waits for a row lock."""
    [row] = _pause.rows(conn, queue=queue, by=by, reason=reason)
    return _of(row), row.is_new


def resume(conn: Connection, *, queue: str) -> Pause | None:
    """End the pause of a queue; return it, None if there was none. Waits for a row lock."""
    found = _resume.rows(conn, queue=queue)
    _tidy.rows(conn, queue=queue)
    return _of(found[0]) if found else None


def change(
    conn: Connection,
    *,
    queue: str,
    keeps: Mapping[str, Keep | None],
    numbers: Mapping[str, int | None],
    wanted: Mapping[str, Any] | None,
    keys: Sequence[str] | None = None,
) -> None:
    """Change the settings of a queue; None takes one away. Waits for a lock.

    `keeps` names fields of `Retention`, `numbers` those of `Queue` that are in `domain.queue.NUMBERS`; `wanted` are all
    its defaults, `keys` all its keys; empty: none, None: they stay.
    """
    changed: dict[str, Any] = {field: numbers.get(field) for field in NUMBERS.values()}
    changed |= {f"has_{field}": field in numbers for field in NUMBERS.values()}
    changed |= {
        "has_defaults": wanted is not None,
        "defaults": defaults.text(wanted) if wanted else None,
        "applied_defaults": defaults.text(found) if (found := defaults.applied(wanted or {})) else None,
    }
    _change.rows(conn, queue=queue, **settings.changes(keeps), **changed, has_keys=keys is not None, keys=keys or [])
    if keys is not None:
        terms.want(conn, queue=queue, keys=keys)
    _tidy.rows(conn, queue=queue)


def forget(conn: Connection, *, queue: str) -> bool:
    """Delete all settings of a queue; return whether there were any. Waits for a row lock."""
    terms.want(conn, queue=queue, keys=[])
    return bool(_forget.rows(conn, queue=queue))


def require_release(conn: Connection, revision: str) -> None:
    """Keep out programs that are older than `revision`, from the commit on. Waits for a row lock."""
    _require_release.rows(conn, revision=revision)


def transactions(conn: Connection) -> set[str]:
    """Return the transactions that the service's programs run now, besides this one."""
    return {row.id for row in _transactions.rows(conn, programs=list(SERVING))}


def find(conn: Connection, *, queue: str) -> Queue:
    """Return a queue as it stands in this transaction; one that has nothing has zeros."""
    return _queues(conn, {queue: counts.count(conn, queue=queue)})[0]


def page(
    conn: Connection,
    *,
    pattern: str,
    allowed: Sequence[str],
    start: int,
    length: int,
    after: str,
    by_attention: bool,
) -> tuple[int, list[Queue]]:
    """Return how many queues match the pattern and one of those allowed, and some of them, by name or by attention.

    The patterns are those of LIKE. Reads the counts of all queues.
    """
    rows = _page.rows(
        conn,
        pattern=pattern,
        allowed=list(allowed),
        start=start,
        length=length,
        after=after,
        by_attention=by_attention,
    )
    numbers = {row.queue: {status: getattr(row, count_of(status)) for status in Status} for row in rows if row.queue}
    return rows[0].matching, _queues(conn, numbers)


def _queues(conn: Connection, numbers: Mapping[str, Mapping[Status, int]]) -> list[Queue]:
    """Return how queues stand of which the counts are known, in the same order."""
    rows = _stand.rows(conn, queues=list(numbers), most_priorities=PRIORITIES_MAX, seen_s=SEEN_S) if numbers else []
    standing = {row.queue: row for row in rows}
    recent = minutes.recent(conn, queues=list(numbers))
    return [_queue(standing[queue], counted, recent[queue]) for queue, counted in numbers.items()]


def _queue(row: Any, counted: Mapping[Status, int], recent: Mapping[int, Tally]) -> Queue:
    return Queue(
        name=row.queue,
        counts=counted,
        pause=None if row.paused_at is None else _of(row),
        oldest_ready_at=row.oldest_ready_at,
        next_due_at=row.next_due_at,
        recent=recent,
        retention=settings.retention(row),
        start_within_ms=row.start_within_ms,
        workers=row.workers,
        defaults={} if row.defaults is None else orjson.loads(row.defaults),
        keys=tuple(_key(*one) for one in orjson.loads(row.keys or "[]")),
    )


def _of(row: Any) -> Pause:
    return Pause(at=row.paused_at, by=row.paused_by, reason=row.pause_reason)


def _key(path: str, status: str | None, looked_at: int | None) -> Key:
    return Key(path, FillStatus(status or FillStatus.WAITING), looked_at or 0)
