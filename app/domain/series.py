"""What happened in a queue over time: the periods that are asked for, and what is told of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from app.domain import durations
from app.domain.errors import Fault, InvalidRequest
from app.domain.queue import DAYS_KEPT, HOURS_KEPT_DAYS, MINUTES_KEPT

POINTS_MAX = 1_500
"""A series has no more periods than this."""
DAY_MS = 86_400_000


class Step(StrEnum):
    """The length of a period. Hours and days are those of UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


LENGTH_MS: Mapping[Step, int] = {Step.MINUTE: 60_000, Step.HOUR: 3_600_000, Step.DAY: DAY_MS}
KEPT_MS: Mapping[Step, int] = {
    Step.MINUTE: MINUTES_KEPT * 60_000,
    Step.HOUR: HOURS_KEPT_DAYS * DAY_MS,
    Step.DAY: DAYS_KEPT * DAY_MS,
}
"""For how long it is known what happened in each period of that length."""
USUAL: Mapping[Step, int] = {Step.MINUTE: 60, Step.HOUR: 48, Step.DAY: 30}
"""How many periods are told if nobody says from when on: the running one, and those before it."""
COUNTS = ("added", "claimed", "completed", "failed", "retried", "stalled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """The periods from `from_ms` until before `to_ms`, in ms since the epoch, both the begin of one."""

    step: Step
    from_ms: int
    to_ms: int

    @property
    def begins(self) -> range:
        """When each begins, in ms since the epoch."""
        return range(self.from_ms, self.to_ms, LENGTH_MS[self.step])

    @classmethod
    def asked(
        cls, *, now_ms: int, from_ms: int | None = None, to_ms: int | None = None, step: Step | None = None
    ) -> Self:
        """Return the periods that touch the time from `from_ms` to `to_ms`; None: until now, and as long as is usual.

        None is later than the running one.

        Without a step it is the shortest that does. Raises InvalidRequest.
        """
        until_ms = now_ms if to_ms is None else min(to_ms, now_ms)
        if step is None:
            step = Step.MINUTE if from_ms is None else _shortest(now_ms, from_ms, until_ms)
        length = LENGTH_MS[step]
        end_ms = -(-until_ms // length) * length
        begin_ms = end_ms - USUAL[step] * length if from_ms is None else from_ms // length * length
        if begin_ms >= end_ms:
            raise InvalidRequest(Fault("from", "must be before `to`, which is now if it is not given"))
        if (end_ms - begin_ms) // length > POINTS_MAX:
            longer = "" if step is Step.DAY else ", or take a longer step"
            raise InvalidRequest(
                Fault("from", f"is more than {POINTS_MAX:,} {step}s before `to`: ask for less{longer}")
            )
        if begin_ms < _known_ms(now_ms, step):
            raise InvalidRequest(Fault("from", f"is earlier than anything that is known by the {step}: {_kept(step)}"))
        return cls(step=step, from_ms=begin_ms, to_ms=end_ms)


def _shortest(now_ms: int, from_ms: int, to_ms: int) -> Step:
    """Return the shortest step of which few enough periods are known."""
    for step, length in LENGTH_MS.items():
        if to_ms - from_ms <= (POINTS_MAX - 1) * length and from_ms >= _known_ms(now_ms, step):
            return step
    return Step.DAY


def _known_ms(now_ms: int, step: Step) -> int:
    """Return the begin of the first period that is known whole or in part: what is kept is kept a little longer."""
    return (now_ms - KEPT_MS[step]) // LENGTH_MS[step] * LENGTH_MS[step]


def _kept(step: Step) -> str:
    if step is Step.MINUTE:
        return f"minutes are kept for {MINUTES_KEPT // 60} hours, then they become hours"
    if step is Step.HOUR:
        return f"hours are kept for {HOURS_KEPT_DAYS} days, then they become days"
    return f"days are kept for {DAYS_KEPT:,} days"


class Durations(NamedTuple):
    """How long jobs took to wait, or to run: how many by buckets (`domain.durations`), none if empty, and all in s."""

    counts: Sequence[int] = ()
    total_s: float = 0.0

    @property
    def mean_s(self) -> float | None:
        """The mean; None: there are none."""
        return self.total_s / jobs if (jobs := sum(self.counts)) else None

    def percentile(self, share: float) -> float | None:
        """Return how long that share of them took at most, in s; None: there are none."""
        return durations.percentile(self.counts, share)


NONE = Durations()


class Point(NamedTuple):
    """What happened in one period, or in several together."""

    added: int = 0
    claimed: int = 0  # attempts that began
    completed: int = 0
    failed: int = 0  # for good
    retried: int = 0  # attempts that failed, of jobs that are tried again
    stalled: int = 0
    wait: Durations = NONE  # of the attempts that began
    run: Durations = NONE  # of the attempts that completed or failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What happened in each period; `points` has those in which anything did, by their begin in ms."""

    queue: str
    periods: Periods
    now_ms: int  # by the database's clock
    points: Mapping[int, Point] = field(default_factory=dict)

    @property
    def all(self) -> list[Point]:
        """What happened in each period, in their order."""
        nothing = Point()
        return [self.points.get(begin, nothing) for begin in self.periods.begins]

    @property
    def total(self) -> Point:
        """What happened in all of them together."""
        return together([*self.points.values()])


def together(points: Sequence[Point]) -> Point:
    """Return what happened in several periods together."""
    counts = {name: sum(getattr(point, name) for point in points) for name in COUNTS}
    return Point(**counts, wait=_sum([point.wait for point in points]), run=_sum([point.run for point in points]))


def _sum(parts: Sequence[Durations]) -> Durations:
    counted = [part.counts for part in parts if part.counts]
    return Durations([*map(sum, zip(*counted, strict=True))], sum(part.total_s for part in parts))
