"""What one round of one side gives."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One figure, and what it took. `cores`: of which part of the machine's, such as `API` or `PostgreSQL`."""

    value: float  # a second, or ms where the side says so
    unit: str = "jobs/s"
    cores: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, float] = field(default_factory=dict)  # such as p99_ms


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of `values` are not above, 0 < share <= 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Describe waits, given in seconds."""
    return {
        "p50_ms": statistics.median(seconds) * 1000,
        "p99_ms": percentile(seconds, 0.99) * 1000,
        "max_ms": max(seconds) * 1000,
    }


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each key that all samples have."""
    keys = samples[0].keys() if samples else ()
    return {key: statistics.median(sample[key] for sample in samples) for key in keys}
