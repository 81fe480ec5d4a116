"""Telling what went well and taking the next jobs, at the price of one round trip and one commit."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.job import Completion, Taken
from app.domain.mark import HEAD, Mark, Place
from app.infra.database import Connection, Database
from app.operations import claim, operation
from app.store import leases


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """The numbers of the jobs that are completed, and what was taken. `next_due_ms`: as in `claim.Claimed`."""

    completed: set[int]
    taken: list[Taken]
    next_due_ms: int | None = None


@operation
def exchange(
    db: Database,
    *,
    queue: str,
    completions: Sequence[Completion],
    ask: claim.Ask | None = None,
    mark: Mark | None = None,
) -> Exchanged:
    """End attempts well, and claim the next jobs if `ask` is given. What is not answered for had lost its lease.

    One transaction, but when a delayed job is due: then the claim has one of its own, in which that joins the line.
    `mark` is what the caller remembers of this queue; without one it looks from the head of the line.
    """
    start = mark.start(now_s=time.monotonic()) if mark else HEAD
    with db.together() as conn:
        completed_by = _send_complete(conn, queue, completions) if completions else set[int]
        found_by = _send_claim(conn, queue, ask, start) if ask else None
    completed = completed_by()
    if len(completed) < len(completions):
        completed |= _completed(db, queue, [one for one in completions if one.lease.number not in completed])
    if not ask or not found_by:
        return Exchanged(completed=completed, taken=[])
    found = found_by()
    if found.next_due_ms == 0:
        return _taken_with_due(db, queue, ask, completed)
    return Exchanged(completed=completed, taken=found.taken, next_due_ms=_again_in_ms(found, mark))


def _again_in_ms(found: leases.Next, mark: Mark | None) -> int | None:
    """Say when to claim again at the latest: when a delayed job is due, or a look from the head."""
    if not mark:
        return found.next_due_ms
    now_s = time.monotonic()
    mark.note(found.walk, now_s=now_s)
    if found.walk.start == HEAD:
        return found.next_due_ms
    look_in_ms = math.ceil(mark.look_in_s(now_s=now_s) * 1000)
    return look_in_ms if found.next_due_ms is None else min(look_in_ms, found.next_due_ms)


def _send_complete(conn: Connection, queue: str, completions: Sequence[Completion]) -> Callable[[], set[int]]:
    return leases.send_complete(conn, queue=queue, completions=completions)


def _send_claim(conn: Connection, queue: str, ask: claim.Ask, start: Place) -> Callable[[], leases.Next]:
    return leases.send_claim(conn, queue=queue, limit=ask.limit, lease_ms=ask.lease_ms, worker=ask.worker, start=start)


def _completed(db: Database, queue: str, completions: Sequence[Completion]) -> set[int]:
    """Look again at what was not done: a second word on the same job, or a word that is repeated."""
    with db.begin() as conn:
        numbers = leases.complete(conn, queue=queue, completions=completions)
        return numbers | leases.completed_before(conn, queue=queue, completions=completions)


def _taken_with_due(db: Database, queue: str, ask: claim.Ask, completed: set[int]) -> Exchanged:
    with db.begin() as conn:
        claimed = claim.claimed(conn, queue=queue, ask=ask)
    taken = [lease.taken for lease in claimed.leases]
    return Exchanged(completed=completed, taken=taken, next_due_ms=claimed.next_due_ms)
