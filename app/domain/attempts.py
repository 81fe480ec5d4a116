"""What follows a failed attempt, and what a failure may say."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random

from app.domain import backoff
from app.domain.backoff import Backoff
from app.domain.job import Failure, LeaseKey

REASON_MAX = 10_000  # characters kept of a failure's reason
STACK_MAX = 50_000  # characters kept of one stack trace: its end, where the cause stands
STACKS_KEPT = 100  # stack traces kept of a job: the newest
STALLED_REASON = "job stalled more than allowable limit"
CANCELLED_REASON = "job cancelled"
TIMEOUT_GRACE_MS = 1_000
"""How long after a job's timeout its lease may last, for a worker to say that it ended the attempt."""
LOGS_KEPT = 10_000  # log lines kept of a job that does not say how many: the newest
LOGS_MAX = 1_000_000
LOG_LINE_MAX = 64 * 1024  # characters


class Outcome(StrEnum):
    """How an attempt stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    RELEASED = "released"
    STALLED = "stalled"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"


KEPT = tuple(outcome for outcome in Outcome if outcome not in {Outcome.RUNNING, Outcome.COMPLETED})
"""The outcomes that are told apart from the job; the other two are the job's own status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One claim of a job and what came of it. Times are aware, by the database's clock."""

    nth: int  # 1 = the first claim
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What a job has left: `made` of `allowed` attempts ended before the one that runs; none if it is cancelled."""

    allowed: int
    made: int
    backoff: Backoff | None
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """An attempt that ran longer than its job allows, and whose lease is over."""

    lease: LeaseKey
    timeout_ms: int
    tries: Tries


def timed_out(lease: LeaseKey, timeout_ms: int) -> Failure:
    """Say that an attempt took too long, in the one wording that there is."""
    return Failure(lease=lease, reason=f"job timed out after {timeout_ms} ms", is_timeout=True)


def retry_delay_ms(tries: Tries, failure: Failure, random: Random) -> int | None:
    """Return how long the job waits for its next attempt, in ms; None if this failure was its last."""
    failures = tries.made + 1
    if failure.unrecoverable or tries.is_cancelled or failures >= tries.allowed:
        return None
    return max(failure.least_delay_ms, backoff.delay_ms(tries.backoff, failures=failures, random=random))


def clean_reason(reason: str) -> str:
    """Make a reason storable: never empty, bounded, and free of what a text column cannot hold."""
    return _storable(reason[:REASON_MAX]) or "unknown failure"


def clean_stack(stack: str) -> str:
    """Make a stack trace storable, keeping its end."""
    return _storable(stack[-STACK_MAX:])


def clean_line(line: str) -> str:
    """Make a log line storable."""
    return _storable(line[:LOG_LINE_MAX])


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
