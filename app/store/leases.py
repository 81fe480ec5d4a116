"""Leases: the right of one worker to one job for a while. Every write names the token; a lost lease changes nothing."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.domain import ids
from app.domain.attempts import CANCELLED_REASON, STACKS_KEPT, STALLED_REASON, TIMEOUT_GRACE_MS, Outcome, Overdue, Tries
from app.domain.job import Completion, Extended, Failure, JsonText, Lease, LeaseKey, Release, Taken
from app.domain.scan import HEAD, Place, ScanResult
from app.domain.states import Status
from app.postgres.database import Connection
from app.store import rows
from app.store.jobs import ANY_BYTES
from app.store.statements import Statement

_claim = Statement("leases/claim")
_claim_long = Statement("leases/claim_long")
_claim_next = Statement("leases/claim_next")
_extend = Statement("leases/extend")
_complete = Statement("leases/complete")
_completed_before = Statement("leases/completed_before")
_ended_before = Statement("leases/ended_before")
_hold = Statement("leases/hold")
_hold_overdue = Statement("leases/hold_overdue")
_fail = Statement("leases/fail")
_retry_later = Statement("leases/retry_later")
_release = Statement("leases/release")
_expire = Statement("leases/expire")
_recover_stalled = Statement("leases/recover_stalled")
_queues_with_over = Statement("leases/queues_with_over")
_report_progress = Statement("leases/report_progress")
_held = Statement("leases/held")
Each = dict[str, Sequence[object]]
"""What is told of each of many jobs, by the name of the parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A failed attempt after which the job runs again in `delay_ms`."""

    failure: Failure
    delay_ms: int


class Shown(NamedTuple):
    """Who says to be the attempt that runs a job: the token that he shows, and the id of the job on the wire."""

    queue: str
    job_id: str
    token: str


class Look(NamedTuple):
    """What a claim of whole jobs found. `is_cut`: there are more, but their texts are too long together."""

    taken: list[Lease]
    scan: ScanResult
    is_cut: bool


def claim(
    conn: Connection,
    *,
    queue: str,
    limit: int,
    lease_ms: int,
    worker: str,
    start: Place = HEAD,
    most_bytes: int = ANY_BYTES,
    are_long: bool = False,
) -> Look:
    """Lease up to `limit` ready jobs of `queue`, best first; say what the look was. Takes row locks, waits for none.

    Where their texts are over `most_bytes` together it takes none, or, if `are_long`, those that are within, one at
    least; what was not taken is not leased, and the look is not short. What stands in line before `start` is not seen.
    A lease ends no later than `attempts.TIMEOUT_GRACE_MS` after its job's timeout.
    """
    asked = {"queue": queue, "limit": limit, "lease_ms": lease_ms, "worker": worker, "most": most_bytes}
    claimed = (_claim_long if are_long else _claim).rows(conn, **asked, **look_from(start))
    last = claimed[-1]
    taken = [] if last.number is None else [rows.lease(row) for row in claimed]
    place = Place(last.priority, last.place) if taken else None
    found = len(taken)
    scan = ScanResult(start=start, asked=found if last.is_cut else limit, found=found, last=place, took_s=last.took_s)
    return Look(taken, scan, last.is_cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What a claim for handlers found. `next_due_ms`: until a delayed job is due, None if none is delayed.

    With 0 nothing was claimed: what is due has to join the line first.
    """

    taken: list[Taken]
    next_due_ms: int | None
    scan: ScanResult


def send_claim(
    conn: Connection, *, queue: str, limit: int, lease_ms: int, worker: str, start: Place = HEAD
) -> Callable[[], Next]:
    """Lease as `claim` does, in a block of `Database.together`; what came of it can be asked after the block.

    What stands in line before `start` is not seen.
    """
    rows_of = _claim_next.send(conn, queue=queue, limit=limit, lease_ms=lease_ms, worker=worker, **look_from(start))

    def found() -> Next:
        claimed = rows_of()
        next_due_ms, took_s, place = claimed[0][:3]
        taken = [] if place is None else [rows.taken(row) for row in claimed]
        last = Place(taken[-1].priority, claimed[-1][2]) if taken else None
        scan = ScanResult(start=start, asked=limit, found=len(taken), last=last, took_s=took_s)
        return Next(taken=taken, next_due_ms=next_due_ms, scan=scan)

    return found


def look_from(start: Place) -> dict[str, int]:
    """Say what every claim says: where it begins to look, and what a timeout adds to."""
    return {"from_priority": start.priority, "from_place": start.place, "grace_ms": TIMEOUT_GRACE_MS}


def extend(conn: Connection, *, queue: str, leases: Sequence[LeaseKey], lease_ms: int) -> dict[int, Extended]:
    """Renew leases to `lease_ms` from now, within the jobs' timeouts; return what is still held, by number."""
    found = _told(_extend, conn, queue, leases, lease_ms=lease_ms, grace_ms=TIMEOUT_GRACE_MS)
    return {row.number: Extended(until=row.until, is_cancelled=row.is_cancelled) for row in found}


def complete(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> set[int]:
    """End attempts well; return the numbers of the jobs that this completed."""
    return {row.number for row in _told(_complete, conn, queue, *_completing(completions))}


def send_complete(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> Callable[[], set[int]]:
    """End attempts, of different jobs, as `complete` does, in a block of `Database.together`; answers after it."""
    rows_of = _complete.send(conn, queue=queue, **next(_unique_batches(*_completing(completions))))
    return lambda: {number for (number,) in rows_of()}


def completed_before(conn: Connection, *, queue: str, completions: Sequence[Completion]) -> set[int]:
    """Return the numbers of the jobs that the same attempt had completed with the same result before."""
    return {row.number for row in _told(_completed_before, conn, queue, *_completing(completions))}


def ended_before(
    conn: Connection, *, queue: str, leases: Sequence[LeaseKey], outcomes: Collection[Outcome]
) -> dict[int, Status]:
    """Return where jobs stand, by number, whose last attempt is among `leases` and ended before as in `outcomes`."""
    return _statuses(_told(_ended_before, conn, queue, leases, outcomes=list(outcomes)))


def hold(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> dict[int, Tries]:
    """Lock jobs that are still held, in the order of their numbers; return what each has left, by number."""
    return {row.number: rows.tries(row) for row in _told(_hold, conn, queue, leases)}


def hold_overdue(conn: Connection, *, queue: str, limit: int) -> list[Overdue]:
    """Lock up to `limit` jobs that ran longer than they may and whose leases are over. Waits for no lock."""
    return [rows.overdue(row) for row in _hold_overdue.rows(conn, queue=queue, limit=limit)]


def fail(conn: Connection, *, queue: str, failures: Sequence[Failure], are_over: bool = False) -> dict[int, Status]:
    """End attempts and their jobs badly; return the statuses of the jobs that this failed, by number.

    `are_over`: leases that ran out count too; the caller has locked the jobs, and nobody else may tell of them.
    """
    return _statuses(_told(_fail, conn, queue, *_failing(failures), stacks_kept=STACKS_KEPT, are_over=are_over))


def retry_later(conn: Connection, *, queue: str, retries: Sequence[Retry], are_over: bool = False) -> dict[int, Status]:
    """End attempts badly and put their jobs in line again; return the statuses of those that moved, by number.

    `are_over`: as in `fail`.
    """
    leases, each = _failing([retry.failure for retry in retries])
    each |= {"delays_ms": [retry.delay_ms for retry in retries]}
    return _statuses(_told(_retry_later, conn, queue, leases, each, stacks_kept=STACKS_KEPT, are_over=are_over))


def release(conn: Connection, *, queue: str, releases: Sequence[Release]) -> dict[int, Status]:
    """Hand jobs back unharmed, each to its old place or to wait; return the statuses of those held, by number."""
    leases = [release.lease for release in releases]
    each: Each = {"delays_ms": [release.delay_ms for release in releases]}
    return _statuses(_told(_release, conn, queue, leases, each, cancelled=CANCELLED_REASON))


def expire(conn: Connection, *, queue: str, leases: Sequence[LeaseKey]) -> set[int]:
    """End leases at once, so that `recover_stalled` finds their jobs; return the numbers of those that were held."""
    return {row.number for row in _told(_expire, conn, queue, leases)}


def recover_stalled(conn: Connection, *, queue: str, limit: int, max_stalled_count: int) -> dict[int, Status]:
    """Take up to `limit` jobs from leases that ran out; return where each went, by number. Waits for no lock."""
    moved = _recover_stalled.rows(
        conn,
        queue=queue,
        limit=limit,
        max_stalled_count=max_stalled_count,
        reason=STALLED_REASON,
        cancelled=CANCELLED_REASON,
    )
    return _statuses(moved)


class Over(NamedTuple):
    """The queues that have leases which are over, longest over first: with jobs that stalled, or that ran too long."""

    stalled: list[str]
    overdue: list[str]


def queues_with_over(conn: Connection) -> Over:
    """Name the queues that have leases which are over. Reads all active jobs."""
    found = _queues_with_over.rows(conn)
    return Over([row.queue for row in found if row.has_stalled], [row.queue for row in found if row.has_overdue])


def report_progress(conn: Connection, *, queue: str, lease: LeaseKey, progress: JsonText) -> bool:
    """Note how far an attempt is; say whether its lease holds."""
    return bool(_report_progress.rows(conn, queue=queue, number=lease.number, token=lease.token, progress=progress))


def held(conn: Connection, shown: Sequence[Shown]) -> list[bool]:
    """Say of each whether its token is that of the attempt which holds the job now."""
    places = _held.rows(
        conn,
        queues=[one.queue for one in shown],
        numbers=[ids.generated(one.job_id) for one in shown],
        custom_ids=[None if ids.is_digits(one.job_id) else one.job_id for one in shown],
        tokens=[one.token for one in shown],
    )
    found = {row.place for row in places}
    return [place in found for place in range(1, len(shown) + 1)]


def _completing(completions: Sequence[Completion]) -> tuple[list[LeaseKey], Each]:
    leases = [completion.lease for completion in completions]
    return leases, {"results": [completion.result for completion in completions]}


def _failing(failures: Sequence[Failure]) -> tuple[list[LeaseKey], Each]:
    return [failure.lease for failure in failures], {
        "reasons": [failure.reason for failure in failures],
        "stacks": [failure.stack for failure in failures],
        "are_timeouts": [failure.is_timeout for failure in failures],
    }


def _told(
    statement: Statement,
    conn: Connection,
    queue: str,
    leases: Sequence[LeaseKey],
    each: Each | None = None,
    **parameters: object,
) -> Iterator[Any]:
    """Run a statement on what is told of jobs: their leases, and `each` by the parameters' names."""
    for told in _unique_batches(leases, each or {}):
        yield from statement.rows(conn, queue=queue, **told, **parameters)


def _unique_batches(leases: Sequence[LeaseKey], each: Each) -> Iterator[Each]:
    """Part what is told into turns that name a job once, in the order of the numbers: the SQL finds it by bisection.

    Of several words on one job, which two attempts may have, the last one comes first. No job has the number 0.
    """
    numbers, tokens = [key.number for key in leases], [key.token for key in leases]
    left = [word for word in dict.fromkeys(zip(numbers, tokens, *each.values(), strict=True)) if word[0]]
    while left:
        by_number = {word[0]: word for word in left}
        told = [by_number[number] for number in sorted(by_number)]
        yield dict(zip(("numbers", "tokens", *each), zip(*told, strict=True), strict=True))
        left = [word for word in left if by_number[word[0]] is not word]


def _statuses(found: Iterable[Any]) -> dict[int, Status]:
    return {row.number: Status(row.status) for row in found}
