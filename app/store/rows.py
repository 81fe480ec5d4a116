"""Conversion of rows to domain values. A row has the columns as attributes."""

import functools
from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Any

from app.domain.attempts import Attempt, Outcome, Overdue, Tries
from app.domain.backoff import Backoff, BackoffType
from app.domain.job import ClaimedJob, Job, JsonText, Lease, LeaseKey, LockedJob, NewJob
from app.domain.options import DEFAULTABLE
from app.domain.states import Status
from app.store import statements

JOB = Job._fields
"""The columns of a job, in the order of the statements that read whole jobs."""
TEXTS = ("data", "opts", "progress", "result", "failed_reason", "stacktrace")
"""The columns of a job that may be long."""
BYTES = statements.fragment("bytes")
"""SQL for their length in a response, in bytes, for statements that limit what they read."""
STATUSES = {status.value: status for status in Status}
_STATUS, _DATA, _WIDTH = JOB.index("status"), JOB.index("data"), len(JOB)
_data = itemgetter(_DATA)
_NOT_BEGUN = {
    "attempts_made": 0,
    "attempts_started": 0,
    "stalled_count": 0,
    "progress": JsonText("0"),
    "result": None,
    "failed_reason": None,
    "stacktrace": (),
    "processed_at": None,
    "finished_at": None,
    "processed_by": None,
    "failed_code": None,
    "effective": None,
}
"""The values of a new job, before its first claim."""
_INSERTED = ("number", "run_at", "added_at", "start_by")
_ASKED = tuple(field for field in JOB if field in NewJob._fields and field not in _INSERTED)
_from_request = attrgetter(*_ASKED)
_from_insert = attrgetter(*_INSERTED)
# Sorts the values by position, not by name: this runs thousands of times a second.
_in_order = itemgetter(*map((*_ASKED, *_INSERTED, *_NOT_BEGUN, "queue", "status").index, JOB))
_job = functools.partial(tuple.__new__, Job)  # what Job._make does, without a call of Python's
_not_begun = tuple(_NOT_BEGUN.values())


def job(row: Any) -> Job:
    """Return the job of a row whose first columns are JOB."""
    return _job(row[:_STATUS] + (STATUSES[row[_STATUS]],) + row[_STATUS + 1 : _WIDTH])  # noqa: RUF005 - faster


def is_whole(row: Any) -> bool:
    """Return whether a row has the texts of its job: statements that limit what they read omit longer texts."""
    return row[_DATA] is not None


def are_whole(found: Sequence[Any]) -> bool:
    """Return whether all rows have the texts of their jobs."""
    return None not in map(_data, found)


def added(new: NewJob, row: Any, *, queue: str) -> Job:
    """Return the inserted job, from the request and what the insert returned: the same as reading its row would."""
    values = (*_from_request(new), *_from_insert(row), *_not_begun, queue, STATUSES[row.status])
    return _job(_in_order(values))


_DEFAULTED = tuple(field for field in _ASKED if field in {option.field for option in DEFAULTABLE.values()})


def added_by_settings(new: NewJob, row: Any, *, queue: str) -> Job:
    """Do what `added` does, where the queue has defaults: what they may set comes from the row."""
    held = {field: getattr(row, field) for field in _DEFAULTED}
    return added(new, row, queue=queue)._replace(**held, effective=row.effective)


def lease(row: Any) -> Lease:
    """Return the lease of a row whose columns after JOB are the token and the end of the lease."""
    token, until = row[_WIDTH : _WIDTH + 2]
    return Lease(job=job(row), token=str(token), until=until)


def taken(row: tuple[Any, ...]) -> ClaimedJob:
    """Return the job of a row of `leases/claim_next`. Positional, because it runs for each job of a worker."""
    _due, _took, _place, number, token, custom_id, *rest = row
    return ClaimedJob(LeaseKey(number, token), str(number) if custom_id is None else custom_id, *rest)


def locked(row: Any) -> LockedJob:
    """Return the job of a row of `jobs/lock`, which has its fields."""
    token = None if row.lease_token is None else str(row.lease_token)
    return LockedJob(**row._asdict() | {"status": STATUSES[row.status], "lease_token": token})


def tries(row: Any) -> Tries:
    """Return the attempts a job has left, and its backoff."""
    return Tries(
        allowed=row.attempts,
        made=row.attempts_made,
        backoff=_backoff(row),
        is_cancelled=row.cancel_requested_at is not None,
    )


def overdue(row: Any) -> Overdue:
    """Return the attempt of a row of `leases/lock_overdue`."""
    lease = LeaseKey(number=row.number, token=str(row.lease_token))
    return Overdue(lease=lease, timeout_ms=row.timeout_ms, tries=tries(row))


def attempt(row: Any) -> Attempt:
    """Return the attempt of a row of the table of attempts."""
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
