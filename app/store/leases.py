"""Leases: the exclusive right to work on a job, for a while. Writes name the token; a lost lease changes nothing."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.domain import fingerprint, ids
from app.domain.attempts import CANCELLED_REASON, STACKS_KEPT, STALLED_REASON, TIMEOUT_GRACE_MS, Outcome, Overdue, Tries
from app.domain.job import ClaimedJob, Completion, Extended, Failure, JsonText, Lease, LeaseKey, Release
from app.domain.scan import HEAD, Place, ScanResult
from app.domain.states import Status
from app.infra.cooperation import in_pieces
from app.postgres.database import Connection
from app.store import retention, rows
from app.store.jobs import ANY_BYTES
from app.store.statements import Statement

_claim = Statement("leases/claim")
_claim_one = Statement("leases/claim_one")
_claim_large = Statement("leases/claim_large")
_claim_next = Statement("leases/claim_next")
_extend = Statement("leases/extend")
_complete = Statement("leases/complete")
_complete_one = Statement("leases/complete_one")
_complete_and_remove = Statement("leases/complete_and_remove")
_complete_and_remove_one = Statement("leases/complete_and_remove_one")
_completed_before = Statement("leases/completed_before")
_removed_before = Statement("leases/removed_before")
_ended_before = Statement("leases/ended_before")
_lock = Statement("leases/lock")
_lock_overdue = Statement("leases/lock_overdue")
_fail = Statement("leases/fail")
_retry_later = Statement("leases/retry_later")
_release = Statement("leases/release")
_expire = Statement("leases/expire")
_recover_stalled = Statement("leases/recover_stalled")
_queues_with_expired = Statement("leases/queues_with_expired")
_report_progress = Statement("leases/report_progress")
_held = Statement("leases/held")
MARKS = ALONE, _ = ("ffff", "fffe")
"""The ends of the tokens of jobs that are removed when they complete (`_fragments/mark.sql`); of others by chance.

ALONE: of one that leaves nothing else behind, unless it has logs by then, or its queue has keys.
"""
LEAVES_S, LEAVES_MAX = 60.0, 1_000
leaving_more: dict[str, float] = {}
"""Queue -> when a job of it, ALONE by its token, left more behind, if less than LEAVES_S ago: so do the next ones.

To try these alone first would cost each a statement, and an exchange a second transaction.
"""
STALLED, CANCELLED = fingerprint.of(STALLED_REASON), fingerprint.of(CANCELLED_REASON)
"""The fingerprints of failures whose reasons are always the same."""
ColumnValues = dict[str, Sequence[object]]
"""The values of each of many jobs, by the name of the parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A failed attempt whose job is retried after `delay_ms`."""

    failure: Failure
    delay_ms: int


class PresentedToken(NamedTuple):
    """The token that a client presents for a job, by the id of the job in the API; not yet checked."""

    queue: str
    job_id: str
    token: str


class WholeClaim(NamedTuple):
    """The result of a claim of whole jobs. `is_truncated`: there are more, but their texts together are too long."""

    taken: list[Lease]
    scan: ScanResult
    is_truncated: bool


def claim(
    conn: Connection,
    *,
    queue: str,
    limit: int,
    lease_ms: int,
    worker: str,
    start: Place = HEAD,
    max_bytes: int = ANY_BYTES,
    are_large: bool = False,
) -> WholeClaim:
    """Lease up to `limit` ready jobs of `queue`, in queue order, from `start` on. Takes row locks, waits for none.

    If the texts of several are longer than `max_bytes` together, it leases none, or, with `are_large`, the first ones
    that fit, at least one; then `is_truncated` is true and the scan does not count as short. A lease ends no later than
    `attempts.TIMEOUT_GRACE_MS` after the timeout of its job.
    """
    asked = {"queue": queue, "limit": limit, "lease_ms": lease_ms, "worker": worker, "max_bytes": max_bytes}
    several = _claim_large if are_large else _claim
    claimed = (_claim_one if limit == 1 else several).rows(conn, **asked, **look_from(start))
    last = claimed[-1]
    taken = [] if last.number is None else [rows.lease(row) for row in claimed]
    place = Place(last.priority, last.place) if taken else None
    found = len(taken)
    scan = ScanResult(
        start=start, asked=found if last.is_truncated else limit, found=found, last=place, took_s=last.took_s
    )
    return WholeClaim(taken, scan, last.is_truncated)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerClaim:
    """The result of a claim for handlers. `next_due_ms`: ms until a delayed job is due, None if none is delayed.

    With 0 nothing was claimed: due jobs must be promoted first, or the data of the jobs are too long together.
    """

    taken: list[ClaimedJob]
    next_due_ms: int | None
    scan: ScanResult


def send_claim(
    conn: Connection,
    *,
    queue: str,
    limit: int,
    lease_ms: int,
    worker: str,
    start: Place = HEAD,
    max_bytes: int = ANY_BYTES,
) -> Callable[[], HandlerClaim]:
    """Lease as `claim` does, in a block of `Database.pipeline`; call the returned function after the block.

    Of the texts only the data count for `max_bytes`.
    """
    asked = {"queue": queue, "limit": limit, "lease_ms": lease_ms, "worker": worker, "max_bytes": max_bytes}
    rows_of = _claim_next.send(conn, **asked, **look_from(start))

    def found() -> HandlerClaim:
        claimed = rows_of()
        next_due_ms, took_s, place = claimed[0][:3]
        taken = [] if place is None else [rows.taken(row) for row in claimed]
        last = Place(taken[-1].priority, claimed[-1][2]) if taken else None
        scan = ScanResult(start=start, asked=limit, found=len(taken), last=last, took_s=took_s)
        return HandlerClaim(taken=taken, next_due_ms=next_due_ms, scan=scan)

    return found


def look_from(start: Place) -> dict[str, int]:
    """Return the parameters that all claims share: the start of the scan, and the grace after a timeout."""
    return {"from_priority": start.priority, "from_place": start.place, "grace_ms": TIMEOUT_GRACE_MS}


def extend(conn: Connection, *, queue: str, leases: Sequence[LeaseKey], lease_ms: int) -> dict[int, Extended]:
    """Extend leases to `lease_ms` from now, within the jobs' timeouts; return those still held, by number."""
    found = _run(_extend, conn, queue, leases, lease_ms=lease_ms, grace_ms=TIMEOUT_GRACE_MS)
    return {row.number: Extended(until=row.until, is_cancelled=row.is_cancelled, worker=row.worker) for row in found}


def complete(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> set[int]:
    """Complete attempts; return the numbers of the jobs that this completed. Some jobs are removed then."""
    removed: set[int] = set()
    if marked := [one.lease for one in completions if one.lease.token.endswith(MARKS)]:
        if alone := _alone(queue, marked):
            removed = {row.number for row in _complete_and_remove_one.rows(conn, queue=queue, **alone)}
        if not removed:
            removed = {row.number for row in _run(_complete_and_remove, conn, queue, marked)}
            if alone and removed:
                _note_more(queue)
        completions = [one for one in completions if one.lease.number not in removed]
    for batch in _unique_batches(*_completing(completions)):
        statement, values = _completing_in(batch)
        removed |= {row.number for row in statement.rows(conn, queue=queue, **values)}
    return removed


def send_complete(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> Callable[[], set[int]]:
    """Complete attempts of different jobs in a block of `Database.pipeline`; call the result after the block."""
    sent = []
    if marked := [one.lease for one in completions if one.lease.token.endswith(MARKS)]:
        if alone := _alone(queue, marked):
            sent.append(_complete_and_remove_one.send(conn, queue=queue, **alone))
        else:
            sent.append(_complete_and_remove.send(conn, queue=queue, **next(_unique_batches(marked, {}))))
        completions = [one for one in completions if not one.lease.token.endswith(MARKS)]
    if completions:
        statement, values = _completing_in(next(_unique_batches(*_completing(completions))))
        sent.append(statement.send(conn, queue=queue, **values))
    return lambda: {number for rows_of in sent for (number,) in rows_of()}


def completed_before(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> set[int]:
    """Return the numbers of the jobs that the same attempts had completed before, with the same results."""
    return {row.number for row in _run(_completed_before, conn, queue, *_completing(completions))}


def removed_before(conn: Connection, *, queue: str, shown: Sequence[PresentedToken]) -> dict[str, Outcome]:
    """Return how attempts ended whose jobs were removed then, by token, of those tokens shown for custom ids."""
    if not shown:
        return {}
    custom_ids, tokens = [one.job_id for one in shown], [one.token for one in shown]
    found = _removed_before.rows(conn, queue=queue, custom_ids=custom_ids, tokens=tokens)
    return {row.token: Outcome(row.outcome or Outcome.COMPLETED) for row in found}


def ended_before(
    conn: Connection, *, queue: str, leases: Sequence[LeaseKey], outcomes: Collection[Outcome]
) -> dict[int, Status]:
    """Return the statuses of jobs, by number, whose last attempt is in `leases` and ended before with `outcomes`.

    Of those too that failed then and were removed.
    """
    return _statuses(_run(_ended_before, conn, queue, leases, outcomes=list(outcomes)))


def lock(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> dict[int, Tries]:
    """Lock the jobs whose leases are held, in the order of their numbers; return their attempts left, by number."""
    return {row.number: rows.tries(row) for row in _run(_lock, conn, queue, leases)}


def lock_overdue(conn: Connection, *, queue: str, limit: int) -> list[Overdue]:
    """Lock up to `limit` jobs that exceeded their timeouts and whose leases have run out. Waits for no lock."""
    return [rows.overdue(row) for row in _lock_overdue.rows(conn, queue=queue, limit=limit)]


def fail(
    conn: Connection, *, queue: str, failures: Sequence[Failure], include_expired: bool = False
) -> dict[int, Status]:
    """Fail attempts and their jobs; return the statuses of the jobs that this failed, by number. Some are removed then.

    `include_expired`: also those whose leases have run out. The caller has locked these jobs: nobody else settles them.
    """
    keys, each = _failing(failures)
    each |= {"fingerprints": [fingerprint.of(one.reason, one.stack) for part in in_pieces(failures) for one in part]}
    ended = _run(_fail, conn, queue, keys, each, stacks_kept=STACKS_KEPT, include_expired=include_expired)
    return _without_gone(conn, queue, ended)


def retry_later(
    conn: Connection, *, queue: str, retries: Sequence[Retry], include_expired: bool = False
) -> dict[int, Status]:
    """Fail attempts and retry their jobs after a delay; return the statuses of these jobs, by number.

    `include_expired`: as in `fail`.
    """
    leases, each = _failing([retry.failure for retry in retries])
    each |= {"delays_ms": [retry.delay_ms for retry in retries]}
    return _statuses(
        _run(_retry_later, conn, queue, leases, each, stacks_kept=STACKS_KEPT, include_expired=include_expired)
    )


def release(conn: Connection, *, queue: str, releases: Sequence[Release]) -> dict[int, Status]:
    """Release jobs, to their old places or with a delay; return the statuses of those that were held, by number."""
    leases = [release.lease for release in releases]
    each: ColumnValues = {"delays_ms": [release.delay_ms for release in releases]}
    cancelled = {"cancelled": CANCELLED_REASON, "fingerprint": CANCELLED}
    return _without_gone(conn, queue, _run(_release, conn, queue, leases, each, **cancelled))


def expire(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> set[int]:
    """End leases now, so that `recover_stalled` finds their jobs; return the numbers of those that were held."""
    return {row.number for row in _run(_expire, conn, queue, leases)}


def recover_stalled(conn: Connection, *, queue: str, limit: int, max_stalled_count: int) -> dict[int, Status]:
    """Recover up to `limit` jobs whose leases ran out; return their statuses, by number. Waits for no lock."""
    moved = _recover_stalled.rows(
        conn,
        queue=queue,
        limit=limit,
        max_stalled_count=max_stalled_count,
        reason=STALLED_REASON,
        fingerprint=STALLED,
        cancelled=CANCELLED_REASON,
        cancelled_fingerprint=CANCELLED,
    )
    return _without_gone(conn, queue, moved)


class Expired(NamedTuple):
    """A queue with leases that have run out, the first at `since_s` of the epoch: of stalled jobs, overdue ones."""

    queue: str
    since_s: float
    has_stalled: bool
    has_overdue: bool


ActivePlace = tuple[str, int]
"""A position among the active jobs of all queues: a queue and a number."""
FIRST_ACTIVE: ActivePlace = ("", 0)


def queues_with_expired(
    conn: Connection, *, limit: int, after: ActivePlace = FIRST_ACTIVE
) -> tuple[list[Expired], ActivePlace | None]:
    """Return the queues with leases that have run out among the next `limit` active jobs after a place.

    And the place to go on after; None at the end.
    """
    found = _queues_with_expired.rows(conn, limit=limit, after_queue=after[0], after_number=after[1])
    expired = [Expired(row.queue, row.since, row.has_stalled, row.has_overdue) for row in found if row.queue]
    is_more = found and found[0].found == limit
    return expired, (found[0].last_queue, found[0].last_number) if is_more else None


def report_progress(conn: Connection, *, queue: str, lease: LeaseKey, progress: JsonText) -> bool:
    """Store the progress of an attempt; return whether its lease is held."""
    return bool(_report_progress.rows(conn, queue=queue, number=lease.number, token=lease.token, progress=progress))


def held(conn: Connection, shown: Sequence[PresentedToken]) -> list[bool]:
    """Return for each whether its token holds the lease of its job now, in the order of `shown`."""
    places = _held.rows(
        conn,
        queues=[one.queue for one in shown],
        numbers=[ids.generated(one.job_id) for one in shown],
        custom_ids=[None if ids.is_digits(one.job_id) else one.job_id for one in shown],
        tokens=[one.token for one in shown],
    )
    found = {row.place for row in places}
    return [place in found for place in range(1, len(shown) + 1)]


def _completing(completions: Sequence[Completion]) -> tuple[list[LeaseKey], ColumnValues]:
    leases = [completion.lease for completion in completions]
    return leases, {"results": [completion.result for completion in completions]}


def _completing_in(batch: ColumnValues) -> tuple[Statement, dict[str, object]]:
    """Return the statement that completes a batch, and its parameters."""
    if len(batch["numbers"]) > 1:
        return _complete, {**batch}
    return _complete_one, {"number": batch["numbers"][0], "token": batch["tokens"][0], "result": batch["results"][0]}


def _alone(queue: str, leases: Sequence[LeaseKey]) -> dict[str, object] | None:
    """Return the lease as parameters if it is one of a job that leaves nothing else behind, it seems."""
    if len(leases) > 1 or not leases[0].token.endswith(ALONE):
        return None
    if queue in leaving_more and time.monotonic() < leaving_more[queue] + LEAVES_S:
        return None
    return {"number": leases[0].number, "token": leases[0].token}


def _note_more(queue: str) -> None:
    """Note that a job of `queue` left more behind than its token says."""
    if len(leaving_more) >= LEAVES_MAX:
        leaving_more.clear()
    leaving_more[queue] = time.monotonic()


def _failing(failures: Sequence[Failure]) -> tuple[list[LeaseKey], ColumnValues]:
    return [failure.lease for failure in failures], {
        "reasons": [failure.reason for failure in failures],
        "stacks": [failure.stack for failure in failures],
        "are_timeouts": [failure.is_timeout for failure in failures],
    }


def _run(
    statement: Statement,
    conn: Connection,
    queue: str,
    leases: Sequence[LeaseKey],
    each: ColumnValues | None = None,
    **parameters: object,
) -> Iterator[Any]:
    """Run a statement on many leases. `each` has further values for each lease, by the name of the parameter."""
    for batch in _unique_batches(leases, each or {}):
        yield from statement.rows(conn, queue=queue, **batch, **parameters)


def _unique_batches(leases: Sequence[LeaseKey], each: ColumnValues) -> Iterator[ColumnValues]:
    """Split the values into batches that name each job once, by ascending number: the SQL finds them by bisection.

    If several name the same job, which two attempts can do, the last one comes first. Number 0, no job, is left out.
    """
    numbers, tokens = [key.number for key in leases], [key.token for key in leases]
    left = [entry for entry in dict.fromkeys(zip(numbers, tokens, *each.values(), strict=True)) if entry[0]]
    while left:
        by_number = {entry[0]: entry for entry in left}
        batch = [by_number[number] for number in sorted(by_number)]
        yield dict(zip(("numbers", "tokens", *each), zip(*batch, strict=True), strict=True))
        left = [entry for entry in left if by_number[entry[0]] is not entry]


def _without_gone(conn: Connection, queue: str, ended: Iterable[Any]) -> dict[int, Status]:
    """Remove the jobs that failed and are not to be kept then; return the statuses of all, by number."""
    moved = list(ended)
    retention.remove_at_once(conn, queue=queue, numbers=[row.number for row in moved if row.goes])
    return _statuses(moved)


def _statuses(found: Iterable[Any]) -> dict[int, Status]:
    return {row.number: Status(row.status) for row in found}
