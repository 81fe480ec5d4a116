"""How long a failed job waits before its next attempt."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

LONGEST_MS = 10 * 366 * 24 * 3600 * 1000  # ten years: what a delay may be at most, so that no date overflows


class BackoffType(StrEnum):
    """The curves: the same wait each time, growing by a step, doubling."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A job's rule for waiting. `delay_ms` >= 0; `jitter` 0..1 is the share of a wait that chance may take away."""

    type: BackoffType
    delay_ms: int
    jitter: float = 0.0


def delay_ms(backoff: Backoff | None, *, failures: int, random: Random) -> int:
    """Return the wait in ms after the `failures`-th failure (1 = the first), never over ten years.

    With jitter j the wait is uniform between (1-j) of the curve and the curve itself, as BullMQ has it.
    """
    if backoff is None:
        return 0
    match backoff.type:
        case BackoffType.FIXED:
            curve = backoff.delay_ms
        case BackoffType.LINEAR:
            curve = backoff.delay_ms * failures
        case BackoffType.EXPONENTIAL:
            curve = backoff.delay_ms << min(failures - 1, 64)  # ten years are far below 2^64 ms
    longest = min(curve, LONGEST_MS)
    return round(longest * (1 - backoff.jitter * random.random()))
