"""Reads of queues: one, or a page of them."""

from collections.abc import Sequence

from app.domain.queue import Queue
from app.domain.tokens import ALL
from app.postgres.database import Database
from app.store import queues


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
) -> tuple[int, list[Queue]]:
    """Return how many queues match `pattern` and one of those `allowed`, and `length` of them from `start`, by name.

    In a pattern `*` stands for any characters. `after`: of those with later names; `by_attention`: first those that
    need a person, by their counts. Raises DatabaseError.
    """
    with db.read() as conn:
        return queues.page(
            conn,
            pattern=like(pattern),
            allowed=[*map(like, allowed)],
            start=start,
            length=length,
            after=after,
            by_attention=by_attention,
        )


def like(pattern: str) -> str:
    """Return a pattern as LIKE has it."""
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace(ALL, "%")
