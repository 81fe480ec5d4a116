"""Which periods a series has, and what it says of how long jobs waited and ran."""

from typing import Any

import pytest

from app.domain import durations, metrics, series
from app.domain.errors import InvalidRequest
from app.domain.series import LENGTH_MS, POINTS_MAX, Durations, Periods, Point, Series, Step

NOW = 1_795_860_101_234
MINUTE, HOUR, DAY = LENGTH_MS.values()


def counts(**jobs: int) -> list[int]:
    """Return a histogram with so many jobs in the buckets b0, b1, …"""
    return [jobs.get(f"b{nth}", 0) for nth in range(durations.BUCKETS)]


@pytest.mark.parametrize(("step", "length", "number"), [("minute", MINUTE, 60), ("hour", HOUR, 48), ("day", DAY, 30)])
def test_without_a_beginning_it_is_the_usual_time_until_now_with_the_running_period(
    step: str, length: int, number: int
) -> None:
    found = Periods.asked(now_ms=NOW, step=Step(step))
    assert len(found.begins) == number
    assert found.from_ms % length == found.to_ms % length == 0
    assert found.to_ms - length <= NOW < found.to_ms
    assert Periods.asked(now_ms=NOW).step is Step.MINUTE


def test_the_first_and_the_last_period_are_those_in_which_the_moments_lie() -> None:
    found = Periods.asked(now_ms=NOW, from_ms=NOW - 10 * MINUTE, to_ms=NOW - 5 * MINUTE, step=Step.MINUTE)
    assert len(found.begins) == 6
    assert found.from_ms <= NOW - 10 * MINUTE < found.from_ms + MINUTE
    edge = NOW // HOUR * HOUR
    assert Periods.asked(now_ms=NOW, from_ms=edge - HOUR, to_ms=edge, step=Step.HOUR).begins == range(
        edge - HOUR, edge, HOUR
    )


def test_no_period_is_later_than_the_running_one() -> None:
    assert Periods.asked(now_ms=NOW, to_ms=NOW + 10**15) == Periods.asked(now_ms=NOW)


@pytest.mark.parametrize(
    ("ago", "step"),
    [
        (MINUTE, "minute"),
        ((POINTS_MAX - 1) * MINUTE, "minute"),
        (POINTS_MAX * MINUTE, "hour"),
        ((POINTS_MAX - 1) * HOUR, "hour"),
        (POINTS_MAX * HOUR, "day"),
    ],
)
def test_the_step_is_the_shortest_that_gives_few_enough_periods(ago: int, step: str) -> None:
    found = Periods.asked(now_ms=NOW, from_ms=NOW - ago)
    assert found.step == step
    assert len(found.begins) <= POINTS_MAX


def test_the_step_is_one_by_which_the_time_is_known() -> None:
    for ago, step in ((50 * HOUR, "hour"), (91 * DAY, "day")):
        assert Periods.asked(now_ms=NOW, from_ms=NOW - ago, to_ms=NOW - ago + 3 * HOUR).step == step


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from_ms": NOW, "to_ms": NOW - MINUTE}, "must be before `to`"),
        ({"from_ms": NOW + DAY}, "must be before `to`"),
        ({"from_ms": NOW - 26 * HOUR, "step": Step.MINUTE}, "ask for less, or take a longer step"),
        ({"from_ms": NOW - 70 * DAY, "step": Step.HOUR}, "1,500 hours before `to`"),
        ({"from_ms": 0}, "ask for less"),
        ({"from_ms": NOW - 50 * HOUR, "to_ms": NOW - 49 * HOUR, "step": Step.MINUTE}, "minutes are kept for 48 hours"),
        ({"from_ms": NOW - 92 * DAY, "to_ms": NOW - 91 * DAY, "step": Step.HOUR}, "hours are kept for 90 days"),
        ({"from_ms": 0, "to_ms": DAY}, "days are kept for 3,653 days"),
    ],
)
def test_what_nobody_knows_and_what_is_too_much_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match="from ") as raised:
        Periods.asked(now_ms=NOW, **asked)
    assert said in str(raised.value)


def test_a_percentile_is_a_place_between_the_bounds_of_its_bucket() -> None:
    assert durations.percentile(counts(b0=10), 0.5) == 0.0005
    assert durations.percentile(counts(b9=100), 0.95) == pytest.approx(0.5 + 0.5 * 0.95)
    assert durations.percentile(counts(b0=50, b9=50), 0.5) == 0.001
    assert durations.percentile(counts(b0=99, b12=1), 0.99) == 0.001
    assert durations.percentile(counts(b23=1), 0.5) == 86_400
    assert durations.percentile(counts(), 0.5) is None
    assert durations.percentile((), 0.5) is None
    assert durations.percentile(None, 0.5) is None


def test_bounds_grow_by_two_to_three_times() -> None:
    grown = [high / low for low, high in zip(durations.BOUNDS_S, durations.BOUNDS_S[1:], strict=False)]
    assert all(1.9 < factor <= 3.01 for factor in grown)
    assert (durations.BOUNDS_S[0], durations.BOUNDS_S[-1]) == (0.001, 86_400)


def test_a_series_has_each_period_and_adds_them_up() -> None:
    periods = Periods(step=Step.MINUTE, from_ms=0, to_ms=3 * MINUTE)
    points = {
        0: Point(added=1, completed=1, wait=Durations(counts(b0=1), 0.5)),
        2 * MINUTE: Point(added=2, stalled=3, wait=Durations(counts(b0=1, b9=2), 2.5)),
    }
    found = Series(queue="q", periods=periods, now_ms=0, points=points)
    assert [point.added for point in found.all] == [1, 0, 2]
    assert found.total == Point(
        added=3, completed=1, stalled=3, wait=Durations(counts(b0=2, b9=2), 3.0), run=Durations([], 0.0)
    )
    assert (found.total.wait.mean_s, found.total.run.mean_s) == (0.75, None)
    assert series.together([]) == Point(wait=Durations([], 0), run=Durations([], 0))


def test_the_buckets_of_metrics_are_some_of_those_of_the_series_and_have_all_jobs() -> None:
    found = metrics.bucketed(Durations(counts(b0=1, b3=2, b4=4, b23=8), 0.0))
    assert {*metrics.BOUNDS} <= {*durations.BOUNDS_S}
    assert found[0] == (0.01, 3)
    assert found[1] == (0.05, 7)
    assert found[-2:] == [(28_800.0, 7), (float("inf"), 15)]
