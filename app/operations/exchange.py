"""The exchange of a worker: complete attempts and claim the next jobs, in one round trip and one commit."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from app.domain.job import ClaimedJob, Completion
from app.domain.scan import Place, ScanCursor
from app.operations import claim, operation, settle
from app.postgres.database import Connection, Database, DatabaseError
from app.store import leases

CLAIM_BYTES = 16 * 2**20
"""The most data that one claim brings, unless its first job alone is longer: a worker holds it several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """The numbers of the jobs that are completed, and the jobs claimed. `next_due_ms`: as in `claim.Claimed`.

    `unknown`: the numbers of jobs of which it is unknown whether they are completed: the database failed after the
    commit, when they were checked.
    """

    completed: set[int]
    taken: list[ClaimedJob]
    next_due_ms: int | None = None
    unknown: Collection[int] = ()


@operation
def exchange(
    db: Database,
    *,
    queue: str,
    completions: Sequence[Completion],
    ask: claim.Ask | None = None,
    cursor: ScanCursor | None = None,
) -> Exchanged:
    """Complete attempts, and claim the next jobs if `ask` is given. A job not in `completed` had lost its lease.

    One transaction, unless a delayed job is due: then the claim runs in a second one, which promotes that job first.
    Jobs that are too long together for one claim are claimed in a second one too, as many as it takes.
    `cursor` is the caller's position in this queue; without one the scan starts at the head of the queue.
    """
    cursor = cursor or ScanCursor()
    start = cursor.start(now_s=time.monotonic())
    try:
        with db.pipeline() as conn:
            completed_by = _send_complete(conn, queue, completions) if completions else set[int]
            found_by = _send_claim(conn, queue, ask, start) if ask and not cursor.has_large else None
    except DatabaseError:
        cursor.has_large |= bool(ask)  # as in a claim of whole jobs
        raise
    completed = completed_by()
    found = found_by() if found_by else None
    completed, unknown = retry_completions(
        db, queue=queue, completions=completions, completed=completed, is_any_taken=bool(found and found.taken)
    )
    if not ask:
        return Exchanged(completed=completed, taken=[])
    if not found or found.next_due_ms == 0:
        return _taken_whole(db, queue, ask, cursor, completed)
    cursor.note(found.scan, now_s=time.monotonic())
    next_claim_in_ms = claim.next_claim_in_ms(found.scan, cursor, found.next_due_ms)
    return Exchanged(completed=completed, taken=found.taken, next_due_ms=next_claim_in_ms, unknown=unknown)


def retry_completions(
    db: Database, *, queue: str, completions: Sequence[Completion], completed: set[int], is_any_taken: bool
) -> tuple[set[int], Collection[int]]:
    """Retry the completions that are not among the `completed`; return all completed, and the jobs of unknown outcome.

    The exchange is committed already: if the database fails now, the jobs claimed in it must still reach the caller.
    """
    if len(completed) == len(completions):
        return completed, ()
    missing = [one for one in completions if one.lease.number not in completed]
    try:
        return completed | _completed(db, queue, missing), ()
    except DatabaseError:
        if not is_any_taken:
            raise
        return completed, {one.lease.number for one in missing}


def _send_complete(conn: Connection, queue: str, completions: Sequence[Completion]) -> Callable[[], set[int]]:
    return leases.send_complete(conn, queue=queue, completions=completions)


def _send_claim(conn: Connection, queue: str, ask: claim.Ask, start: Place) -> Callable[[], leases.HandlerClaim]:
    return leases.send_claim(
        conn,
        queue=queue,
        limit=ask.limit,
        lease_ms=ask.lease_ms,
        worker=ask.worker,
        start=start,
        max_bytes=CLAIM_BYTES,
    )


def _completed(db: Database, queue: str, completions: Sequence[Completion]) -> set[int]:
    """Complete what was not completed before: the second of two for the same job, or one that was sent before."""
    with db.begin() as conn:
        return set(settle.complete_in(conn, queue=queue, completions=completions))


def _taken_whole(db: Database, queue: str, ask: claim.Ask, cursor: ScanCursor, completed: set[int]) -> Exchanged:
    with db.begin() as conn:
        claimed = claim.claim_in(conn, queue=queue, ask=ask, max_bytes=CLAIM_BYTES, cursor=cursor)
    taken = [lease.taken for lease in claimed.leases]
    next_due_ms = 0 if cursor.has_large else claimed.next_due_ms  # there are more
    return Exchanged(completed=completed, taken=taken, next_due_ms=next_due_ms)
