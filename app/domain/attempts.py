"""Attempts: their outcomes, the decision to retry, and the limits of what is stored of a failure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random

from app.domain import backoff
from app.domain.backoff import Backoff
from app.domain.job import Failure, LeaseKey

REASON_MAX = 10_000  # characters kept of the reason of a failure
STACK_MAX = 50_000  # characters kept of a stack trace: its end, which names the cause
STACKS_KEPT = 100  # stack traces kept of a job: the newest
STALLED_REASON = "job stalled more than allowable limit"
CANCELLED_REASON = "job cancelled"
UNSTARTED_REASON = "not started in time"
TIMEOUT_GRACE_MS = 1_000
"""How long a lease may outlast the timeout of its job, so that the worker can report that it ended the attempt."""
LOGS_KEPT = 10_000  # log lines kept of a job without `keepLogs`: the newest
LOGS_MAX = 1_000_000
LOG_LINE_MAX = 64 * 1024  # characters


class Outcome(StrEnum):
    """The state of an attempt: running, or how it ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    RELEASED = "released"
    STALLED = "stalled"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"


class FailedCode(StrEnum):
    """Why a job has failed for good, for programs; `failed_reason` is for people."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    STALLED = "stalled"
    TIMED_OUT = "timed_out"
    START_BY = "start_by"


KEPT = tuple(outcome for outcome in Outcome if outcome not in {Outcome.RUNNING, Outcome.COMPLETED})
"""The outcomes stored in the table of attempts; the other two follow from the status of the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One claim of a job and its outcome. Times are aware, by the clock of the database."""

    nth: int  # 1 = the first claim
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """The attempts a job has: `made` of `allowed` are used, without the running one. A cancelled job has none left."""

    allowed: int
    made: int
    backoff: Backoff | None
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """An attempt that exceeded the timeout of its job and whose lease has run out."""

    lease: LeaseKey
    timeout_ms: int
    tries: Tries


def timed_out(lease: LeaseKey, timeout_ms: int) -> Failure:
    """Return the failure of an attempt that exceeded its timeout, in ms."""
    return Failure(lease=lease, reason=f"job timed out after {timeout_ms} ms", is_timeout=True)


def retry_delay_ms(tries: Tries, failure: Failure, random: Random) -> int | None:
    """Return the delay before the next attempt, in ms; None if the job fails for good."""
    failures = tries.made + 1
    if failure.unrecoverable or tries.is_cancelled or failures >= tries.allowed:
        return None
    delay_ms = failure.delay_ms
    if delay_ms is None:
        delay_ms = backoff.delay_ms(tries.backoff, failures=failures, random=random)
    return max(failure.least_delay_ms, delay_ms)


def clean_reason(reason: str) -> str:
    """Return the reason as it is stored: cut to REASON_MAX, never empty, without what a text column cannot hold."""
    return _storable(reason[:REASON_MAX]) or "unknown failure"


def clean_stack(stack: str) -> str:
    """Return the stack trace as it is stored: the last STACK_MAX characters."""
    return _storable(stack[-STACK_MAX:])


def clean_line(line: str) -> str:
    """Return the log line as it is stored: the first LOG_LINE_MAX characters."""
    return _storable(line[:LOG_LINE_MAX])


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
