"""Reads of queues: one, or a page of them."""

import dataclasses
from collections.abc import Sequence

from app.domain.queue import LATELY, Queue
from app.domain.tokens import ALL
from app.postgres.database import Connection, Database
from app.queries.permits import long_read
from app.store import minutes, queues, schedules

_MINUTE_MS = 60_000


def find(db: Database, *, queue: str) -> Queue:
    """Return a queue as it stands; one that has nothing has zeros. Raises DatabaseError."""
    with db.read() as conn:
        return queues.find(conn, queue=queue)


def page(
    db: Database,
    *,
    pattern: str = ALL,
    allowed: Sequence[str] = (ALL,),
    start: int,
    length: int,
    after: str = "",
    by_attention: bool = False,
    has_minutes: bool = False,
) -> tuple[int, list[Queue]]:
    """Return how many queues match `pattern` and one of those `allowed`, and `length` of them from `start`, by name.

    In a pattern `*` stands for any characters. `after`: of those with later names; `by_attention`: first those that
    need a person, by their counts. `has_minutes`: with what happened in each of the last minutes. Takes a permit for
    long reads: it reads the counts of all queues. Raises DatabaseError.
    """
    with long_read(db), db.read() as conn:
        count, found = queues.page(
            conn,
            pattern=like(pattern),
            allowed=[*map(like, allowed)],
            start=start,
            length=length,
            after=after,
            by_attention=by_attention,
        )
        return count, _with_minutes(conn, found) if has_minutes else found


def _with_minutes(conn: Connection, found: Sequence[Queue]) -> list[Queue]:
    from_ms = (schedules.now_ms(conn) // _MINUTE_MS - LATELY + 1) * _MINUTE_MS
    lately = minutes.lately(conn, queues=[queue.name for queue in found], from_ms=from_ms, minutes=LATELY)
    return [dataclasses.replace(queue, minutes=lately[queue.name]) for queue in found]


def like(pattern: str) -> str:
    """Return a pattern as LIKE has it."""
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace(ALL, "%")
