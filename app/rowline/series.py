"""What happened in a queue over time. Times are ms, moments ms since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long jobs waited, or ran, in each period; None where there were none."""

    mean: tuple[int | None, ...]
    p50: tuple[int | None, ...]  # half of them took at most so long
    p95: tuple[int | None, ...]
    p99: tuple[int | None, ...]
    buckets: tuple[tuple[int, ...], ...] | None  # how many took how long, by `bounds`; None: not asked for

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return those of a response. Unknown members are ignored."""
        buckets = members.get("buckets")
        return cls(
            mean=tuple(members["mean"]),
            p50=tuple(members["p50"]),
            p95=tuple(members["p95"]),
            p99=tuple(members["p99"]),
            buckets=None if buckets is None else tuple(map(tuple, buckets)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long jobs waited, or ran, in all periods together; None if there were none."""

    mean: int | None
    p50: int | None
    p95: int | None
    p99: int | None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return that of a response. Unknown members are ignored."""
        return cls(mean=members["mean"], p50=members["p50"], p95=members["p95"], p99=members["p99"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTotal:
    """What happened in all periods together."""

    added: int
    claimed: int
    completed: int
    failed: int
    retried: int
    stalled: int
    wait: Duration
    run: Duration

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return that of a response. Unknown members are ignored."""
        return cls(
            added=members["added"],
            claimed=members["claimed"],
            completed=members["completed"],
            failed=members["failed"],
            retried=members["retried"],
            stalled=members["stalled"],
            wait=Duration.of(members["wait"]),
            run=Duration.of(members["run"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What happened in a queue over time: a value for each period."""

    step: str  # minute, hour or day, of UTC
    begins_on: int  # where the first period begins
    ends_on: int  # where the last one ends
    as_of: int  # by the database's clock: a period that ends later is not over
    at: tuple[int, ...]  # where each begins
    added: tuple[int, ...]
    claimed: tuple[int, ...]  # attempts that began
    completed: tuple[int, ...]
    failed: tuple[int, ...]  # for good
    retried: tuple[int, ...]  # attempts that failed, of jobs that are tried again
    stalled: tuple[int, ...]
    wait: Durations  # how long jobs had been ready, of the attempts that began
    run: Durations  # how long attempts ran that completed or failed
    total: SeriesTotal
    bounds: tuple[int, ...] | None  # of the buckets; the last bucket, after them, has no end; None: not asked for

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the series of a response. Unknown members are ignored."""
        bounds = members.get("bounds")
        return cls(
            step=members["step"],
            begins_on=members["from"],
            ends_on=members["to"],
            as_of=members["asOf"],
            at=tuple(members["at"]),
            added=tuple(members["added"]),
            claimed=tuple(members["claimed"]),
            completed=tuple(members["completed"]),
            failed=tuple(members["failed"]),
            retried=tuple(members["retried"]),
            stalled=tuple(members["stalled"]),
            wait=Durations.of(members["wait"]),
            run=Durations.of(members["run"]),
            total=SeriesTotal.of(members["total"]),
            bounds=None if bounds is None else tuple(bounds),
        )
