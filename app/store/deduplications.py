"""Deduplication ids of queues: who holds one, until when, and which job is stored to follow the holder."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.domain.deduplication import Holder
from app.domain.errors import NotHeld
from app.domain.job import Job, NewJob
from app.domain.states import FINAL
from app.infra.cooperation import give_way
from app.postgres.database import Connection
from app.store import options, rows
from app.store.statements import Statement

_find = Statement("deduplications/find")
_find_job = Statement("deduplications/find_job")
_hold = Statement("deduplications/hold")
_settle = Statement("deduplications/settle")
_next_to_follow = Statement("deduplications/next_to_follow")
_lock_stored = Statement("deduplications/lock_stored")
_take_stored = Statement("deduplications/take_stored")
_let_go = Statement("deduplications/let_go")
_queues_with_idle = Statement("deduplications/queues_with_idle")
_lock_idle = Statement("deduplications/lock_idle")
_forget_idle = Statement("deduplications/forget_idle")
_forget_queue = Statement("deduplications/forget_queue")


class Place(NamedTuple):
    """An id of a queue, in the order of queues and ids."""

    queue: str
    dedup_id: str


FIRST = Place("", "")


class Settled(NamedTuple):
    """What is to be written of an id: its holder, the end of its window or its length from now on, and what follows."""

    number: int
    job_id: str
    expires_at: datetime | None = None
    ttl_ms: int | None = None
    stored: NewJob | None = None


class Stored(NamedTuple):
    """A job that is to follow the holder of an id, as the columns that it sets."""

    holder: int | None
    columns: Mapping[str, object]


def find(conn: Connection, *, queue: str, dedup_ids: Sequence[str]) -> dict[str, Holder]:
    """Return who holds the ids, or held them last, by id. Locks nothing."""
    return _holders(_find.rows(conn, queue=queue, dedup_ids=dedup_ids), has_status=True)


def holder(conn: Connection, *, queue: str, dedup_id: str) -> Holder:
    """Return who holds an id. Raises NotHeld."""
    found = find(conn, queue=queue, dedup_ids=[dedup_id]).get(dedup_id)
    if found is None or not found.holds:
        raise NotHeld.of(queue, dedup_id)
    return found


def find_job(conn: Connection, *, queue: str, dedup_id: str, max_bytes: int) -> tuple[Holder, Job] | None:
    """Return who holds an id, or held it last, with the job; None if it is gone, or long. Locks nothing."""
    found = _find_job.rows(conn, queue=queue, dedup_id=dedup_id, max_bytes=max_bytes)
    if not found:
        return None
    [row] = found
    job = rows.job(row)
    status = None if job.status in FINAL else job.status
    return Holder(job.number, job.id, status, row.expires_at, row.is_open), job


def hold(conn: Connection, *, queue: str, dedup_ids: Sequence[str]) -> dict[str, Holder]:
    """Lock ids until the transaction ends, in their order; return as `find` does, but nobody's status.

    Waits for others that add jobs with these ids, or let them follow.
    """
    return _holders(_hold.rows(conn, queue=queue, dedup_ids=dedup_ids), has_status=False)


def _holders(found: Sequence[Any], *, has_status: bool) -> dict[str, Holder]:
    holders = {}
    for row in found:
        give_way()
        if row.number is not None:
            status = rows.STATUSES[row.status] if has_status and row.status else None
            has_stored = has_status and row.has_stored
            holders[row.dedup_id] = Holder(row.number, row.job_id, status, row.expires_at, row.is_open, has_stored)
    return holders


def settle(conn: Connection, *, queue: str, settled: Mapping[str, Settled]) -> None:
    """Write who holds ids that are locked. A new holder has nothing that follows it, unless it is given."""
    each = [*settled.values()]
    _settle.rows(
        conn,
        queue=queue,
        dedup_ids=[*settled],
        numbers=[one.number for one in each],
        job_ids=[one.job_id for one in each],
        ttls=[one.ttl_ms for one in each],
        expiries=[one.expires_at for one in each],
        stored=[one.stored and json.dumps(options.of_one(one.stored)) for one in each],
    )


def next_to_follow(conn: Connection, *, after: Place, limit: int) -> list[Place]:
    """Return ids for which a job is stored and whose holder has ended, or gone."""
    found = _next_to_follow.rows(conn, after_queue=after.queue, after_id=after.dedup_id, limit=limit)
    return [Place(row.queue, row.dedup_id) for row in found]


def lock_stored(conn: Connection, place: Place) -> Stored | None:
    """Lock an id; return the job that is stored for it. None: there is none, or somebody else has locked the id."""
    found = _lock_stored.rows(conn, queue=place.queue, dedup_id=place.dedup_id)
    return Stored(found[0].number, json.loads(found[0].stored)) if found and found[0].stored else None


def take_stored(conn: Connection, place: Place, *, number: int | None, job_id: str | None) -> None:
    """Forget the stored job of an id that is locked; the job `number` holds the id now, or nobody."""
    _take_stored.rows(conn, queue=place.queue, dedup_id=place.dedup_id, number=number, job_id=job_id)


def let_go(conn: Connection, *, queue: str, dedup_id: str, number: int) -> None:
    """Have nobody hold an id that the job `number` holds, unless another has taken it. Waits for a row lock."""
    _let_go.rows(conn, queue=queue, dedup_id=dedup_id, number=number)


class Walked(NamedTuple):
    """Those of some ids that may be forgotten if their jobs are gone, by queue; and the last one, None at the end."""

    idle: dict[str, list[str]]
    last: Place | None


def walk_idle(conn: Connection, *, after: Place, limit: int) -> Walked:
    """Look at the next ids of all queues. Locks nothing."""
    found = _queues_with_idle.rows(conn, after_queue=after.queue, after_id=after.dedup_id, limit=limit)
    idle: dict[str, list[str]] = {}
    for row in found:
        if row.is_idle:
            idle.setdefault(row.queue, []).append(row.dedup_id)
    return Walked(idle, Place(found[-1].queue, found[-1].dedup_id) if len(found) == limit else None)


def forget_idle(conn: Connection, *, queue: str, dedup_ids: Sequence[str]) -> None:
    """Forget those of the ids whose window is over and whose job is gone; pass over what others have locked."""
    locked = [row.dedup_id for row in _lock_idle.rows(conn, queue=queue, dedup_ids=dedup_ids)]
    _forget_idle.rows(conn, queue=queue, dedup_ids=locked)


def forget_queue(conn: Connection, *, queue: str, limit: int) -> int:
    """Forget ids of a queue, and what is stored to follow; return how many."""
    return len(_forget_queue.rows(conn, queue=queue, limit=limit))
