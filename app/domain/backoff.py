"""Backoff: the delay between a failed attempt and the next one."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

LONGEST_MS = 10 * 366 * 24 * 3600 * 1000  # ten years, the maximum of every delay, so that no date overflows

JITTER_DIGITS = 12
"""Digits stored of a jitter: PostgreSQL rejects what underflows a `real`; of ten years this is less than 1 ms."""


class BackoffType(StrEnum):
    """How the delay grows with each failure: not at all, by a constant step, or by doubling."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The backoff of a job. `delay_ms` >= 0; `jitter`, 0 to 1, is the share of the delay that is random."""

    type: BackoffType
    delay_ms: int
    jitter: float = 0.0


def delay_ms(backoff: Backoff | None, *, failures: int, random: Random) -> int:
    """Return the delay in ms after the `failures`-th failure (1 = the first), at most ten years.

    With jitter j the delay is uniformly distributed between (1-j) times the full delay and all of it, as in BullMQ.
    """
    if backoff is None:
        return 0
    match backoff.type:
        case BackoffType.FIXED:
            curve = backoff.delay_ms
        case BackoffType.LINEAR:
            curve = backoff.delay_ms * failures
        case BackoffType.EXPONENTIAL:
            curve = backoff.delay_ms << min(failures - 1, 64)  # 2^64 ms are far more than ten years
    longest = min(curve, LONGEST_MS)
    return round(longest * (1 - backoff.jitter * random.random()))
