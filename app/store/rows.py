"""Row -> value, in one place. A row is anything with the table's columns as attributes."""

from typing import Any

from app.domain.attempts import Attempt, Outcome, Overdue, Tries
from app.domain.backoff import Backoff, BackoffType
from app.domain.job import Job, JsonText, Lease, LeaseKey, NewJob, Taken
from app.domain.states import Status


def job(row: Any) -> Job:
    """Read a whole row of `jobs`."""
    return Job(
        queue=row.queue,
        number=row.number,
        custom_id=row.custom_id,
        name=row.name,
        data=row.data,
        opts=row.opts,
        status=Status(row.status),
        priority=row.priority,
        lifo=row.lifo,
        delay_ms=row.delay_ms,
        run_at=row.run_at,
        attempts=row.attempts,
        backoff=_backoff(row),
        timeout_ms=row.timeout_ms,
        attempts_made=row.attempts_made,
        attempts_started=row.attempts_started,
        stalled_count=row.stalled_count,
        progress=row.progress,
        result=row.result,
        failed_reason=row.failed_reason,
        stacktrace=tuple(row.stacktrace),
        added_at=row.added_at,
        processed_at=row.processed_at,
        finished_at=row.finished_at,
        processed_by=row.processed_by,
    )


def added(new: NewJob, row: Any, *, queue: str) -> Job:
    """Join what was asked with what the insert decided: the same value that reading the new row would give."""
    return Job(
        queue=queue,
        number=row.number,
        custom_id=row.custom_id,
        name=new.name,
        data=new.data,
        opts=new.opts,
        status=Status(row.status),
        priority=new.priority,
        lifo=new.lifo,
        delay_ms=new.delay_ms,
        run_at=row.run_at,
        attempts=new.attempts,
        backoff=new.backoff,
        timeout_ms=new.timeout_ms,
        attempts_made=0,
        attempts_started=0,
        stalled_count=0,
        progress=JsonText("0"),
        result=None,
        failed_reason=None,
        stacktrace=(),
        added_at=row.added_at,
        processed_at=None,
        finished_at=None,
        processed_by=None,
    )


def lease(row: Any) -> Lease:
    """Read a row of an active job with its lease."""
    return Lease(job=job(row), token=str(row.lease_token), until=row.leased_until)


def taken(row: tuple[Any, ...]) -> Taken:
    """Read a row of `leases/claim_next` that has a job. Of many fields: this runs for each job of a worker."""
    _due, number, token, custom_id, *rest = row
    return Taken(LeaseKey(number, token), str(number) if custom_id is None else custom_id, *rest)


def tries(row: Any) -> Tries:
    """Read what decides over a job's next attempt."""
    return Tries(
        allowed=row.attempts,
        made=row.attempts_made,
        backoff=_backoff(row),
        is_cancelled=row.cancel_requested_at is not None,
    )


def overdue(row: Any) -> Overdue:
    """Read an attempt that ran for too long."""
    lease = LeaseKey(number=row.number, token=str(row.lease_token))
    return Overdue(lease=lease, timeout_ms=row.timeout_ms, tries=tries(row))


def attempt(row: Any) -> Attempt:
    """Read a row of `attempts`."""
    return Attempt(
        nth=row.nth,
        worker=row.worker,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome),
        reason=row.reason,
    )


def _backoff(row: Any) -> Backoff | None:
    if row.backoff_type is None:
        return None
    return Backoff(type=BackoffType(row.backoff_type), delay_ms=row.backoff_delay_ms, jitter=row.backoff_jitter)
