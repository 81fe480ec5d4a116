"""What follows a failed attempt, and what a failure may say."""

from random import Random

from app.domain import backoff
from app.domain.job import Failure, Job

REASON_MAX = 10_000  # characters kept of a failure's reason
STACK_MAX = 50_000  # characters kept of one stack trace: its end, where the cause stands
STACKS_KEPT = 100  # stack traces kept of a job: the newest
STALLED_REASON = "job stalled more than allowable limit"


def retry_delay_ms(job: Job, failure: Failure, random: Random) -> int | None:
    """Return how long `job` waits for its next attempt, in ms; None if this failure was its last."""
    failures = job.attempts_made + 1
    if failure.unrecoverable or failures >= job.attempts:
        return None
    return backoff.delay_ms(job.backoff, failures=failures, random=random)


def clean_reason(reason: str) -> str:
    """Make a reason storable: never empty, bounded, and free of what a text column cannot hold."""
    return _storable(reason[:REASON_MAX]) or "unknown failure"


def clean_stack(stack: str) -> str:
    """Make a stack trace storable, keeping its end."""
    return _storable(stack[-STACK_MAX:])


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
