"""What follows a failed attempt, and what a failure may say."""

from dataclasses import dataclass
from random import Random

from app.domain import backoff
from app.domain.backoff import Backoff
from app.domain.job import Failure

REASON_MAX = 10_000  # characters kept of a failure's reason
STACK_MAX = 50_000  # characters kept of one stack trace: its end, where the cause stands
STACKS_KEPT = 100  # stack traces kept of a job: the newest
STALLED_REASON = "job stalled more than allowable limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What a job has left: `made` of `allowed` attempts ended before the one that runs."""

    allowed: int
    made: int
    backoff: Backoff | None


def retry_delay_ms(tries: Tries, failure: Failure, random: Random) -> int | None:
    """Return how long the job waits for its next attempt, in ms; None if this failure was its last."""
    failures = tries.made + 1
    if failure.unrecoverable or failures >= tries.allowed:
        return None
    return max(failure.least_delay_ms, backoff.delay_ms(tries.backoff, failures=failures, random=random))


def clean_reason(reason: str) -> str:
    """Make a reason storable: never empty, bounded, and free of what a text column cannot hold."""
    return _storable(reason[:REASON_MAX]) or "unknown failure"


def clean_stack(stack: str) -> str:
    """Make a stack trace storable, keeping its end."""
    return _storable(stack[-STACK_MAX:])


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
