"""How long jobs waited and ran, counted in buckets, and what that says: percentiles."""

from collections.abc import Sequence

BOUNDS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1_800.0),
    *(3_600.0, 10_800.0, 28_800.0, 86_400.0),
)
"""The bounds of the buckets, from 1 ms to a day, each two to three times the one before.

A bucket begins at the bound before it, and ends before its own. The last one, after the last bound, has no end.
"""
BUCKETS = len(BOUNDS_S) + 1
FIRST = "a"
"""The letter of the first bucket: a delta of the counts has a letter for each job."""
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def percentile(counts: Sequence[int] | None, share: float) -> float | None:
    """Return how long the `share` of the jobs took at most, in s; None: there are none.

    It is the share's place in its bucket, between the bounds of that; what took a day or longer counts as a day.
    `counts` are the numbers of jobs by bucket. The same as `report.percentiles` in SQL.
    """
    wanted, before = share * sum(counts or ()), 0
    for nth, jobs in enumerate(counts or ()):
        if jobs and before + jobs >= wanted:
            low = BOUNDS_S[nth - 1] if nth else 0.0
            high = BOUNDS_S[nth] if nth < len(BOUNDS_S) else low
            return low + (high - low) * (wanted - before) / jobs
        before += jobs
    return None
