"""Row -> value, in one place. A row is anything with the table's columns as attributes."""

from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Any

from app.domain.attempts import Attempt, Outcome, Overdue, Tries
from app.domain.backoff import Backoff, BackoffType
from app.domain.job import Job, JsonText, Lease, LeaseKey, NewJob, Taken
from app.domain.states import Status
from app.store import statements

JOB = Job._fields
"""The columns of a job, as every statement names them that reads whole jobs."""
TEXTS = ("data", "opts", "progress", "result", "failed_reason", "stacktrace")
"""The columns of a job that may be long."""
BYTES = statements.fragment("bytes")
"""How long they are in an answer, where the result stands twice: for statements that bound what they read."""
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
}
"""What a job has that nobody has worked on."""
_ASKED = tuple(field for field in JOB if field in NewJob._fields)
_asked = attrgetter(*_ASKED)
_decided = attrgetter("number", "run_at", "added_at")
# The places, in the order of JOB, of values by their names: thousands are joined a second, and names cost.
_in_order = itemgetter(*map((*_ASKED, "number", "run_at", "added_at", *_NOT_BEGUN, "queue", "status").index, JOB))
_not_begun = tuple(_NOT_BEGUN.values())


def job(row: Any) -> Job:
    """Read a row whose first columns are JOB, in their order."""
    return Job._make((*row[:_STATUS], STATUSES[row[_STATUS]], *row[_STATUS + 1 : _WIDTH]))


def is_whole(row: Any) -> bool:
    """Tell whether a row has the texts of its job: a statement that bounds what it reads leaves out those too long."""
    return row[_DATA] is not None


def are_whole(found: Sequence[Any]) -> bool:
    """Tell whether all of many rows have the texts of their jobs."""
    return None not in map(_data, found)


def added(new: NewJob, row: Any, *, queue: str) -> Job:
    """Join what was asked with what the insert decided: the same value that reading the new row would give."""
    values = (*_asked(new), *_decided(row), *_not_begun, queue, STATUSES[row.status])
    return Job._make(_in_order(values))


def lease(row: Any) -> Lease:
    """Read a row of an active job whose columns after JOB are its token and the lease's end."""
    token, until = row[_WIDTH : _WIDTH + 2]
    return Lease(job=job(row), token=str(token), until=until)


def taken(row: tuple[Any, ...]) -> Taken:
    """Read a row of `leases/claim_next` that has a job. Of many fields: this runs for each job of a worker."""
    _due, _took, _place, number, token, custom_id, *rest = row
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
