"""How a place far from both ends is estimated, and when a job is likely to begin."""

import bisect
import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import pace
from app.domain.pace import Line, Pace, Spot

AT = datetime(2026, 11, 28, tzinfo=UTC)
WALK = 10


def line(spots: list[Spot], spot: Spot) -> Line:
    """Look at a queue, whose spots are in their order, as the statements do, but WALK jobs far."""
    plain = bisect.bisect_right(spots, 0, key=lambda one: one.priority)
    mine = spots if spot.priority else spots[:plain]
    after = mine[bisect.bisect_right(mine, spot) :][: -WALK - 1 : -1]
    before = spots[: min(WALK, bisect.bisect_left(spots, spot))]
    return Line(
        walked=len(before),
        near=before[-1],
        after=len(after),
        far=after[-1] if after else None,
        is_end=len(after) < WALK,
        waiting=plain,
        ready=len(spots),
        prioritized=spots[plain] if plain < len(spots) else None,
    )


def test_a_place_near_the_end_is_known_from_the_counts() -> None:
    spots = [Spot(0, place) for place in range(50)] + [Spot(3, place) for place in range(50)]
    for nth in (*range(41, 50), *range(91, 100)):
        assert pace.estimate(spots[nth], line(spots, spots[nth])) == nth


@pytest.mark.parametrize("priorities", [(0,), (5,), (0, 5), (0, *range(1, 40))], ids=str)
def test_a_place_between_jobs_that_came_evenly_is_about_right(priorities: tuple[int, ...]) -> None:
    spots = [Spot(priority, place) for priority in priorities for place in range(0, 4_000, 10)]
    for nth in range(WALK + 1, len(spots), 7):
        assert abs(pace.estimate(spots[nth], line(spots, spots[nth])) - nth) <= 400


def test_a_place_between_lifo_jobs_and_others_is_between_the_ends() -> None:
    spots = [Spot(0, place) for place in [*range(-100, -50), *range(50, 100)]]
    for nth in range(WALK + 1, len(spots)):
        assert WALK <= pace.estimate(spots[nth], line(spots, spots[nth])) < len(spots)


def test_places_that_are_all_the_same_are_no_fault() -> None:
    spots = [Spot(0, 0), Spot(0, 1), Spot(0, 1)]
    same = line(spots, spots[1])._replace(
        near=Spot(0, 1), far=Spot(0, 1), is_end=False, waiting=30, after=10, walked=10
    )
    assert pace.estimate(spots[1], same) == 15


def test_the_pace_is_that_of_the_minutes_since_the_work_began() -> None:
    assert pace.of([0, 0, 0, 0, 0]) is None
    assert pace.of([]) is None
    assert pace.of([60, 60, 60, 60, 60]) == Pace(1.0, 0.0)
    assert pace.of([60, 60, 0, 0, 0]) == Pace(1.0, 0.0)
    found = pace.of([0, 0, 0, 0, 300])
    assert found
    assert found.per_s == 1.0
    assert found.spread == pytest.approx(1.987, abs=0.01)


def test_minutes_that_differ_by_chance_add_nothing_to_the_spread() -> None:
    assert pace.of([58, 61, 66, 55, 60]) == Pace(1.0, 0.0)


def test_a_start_is_later_the_more_jobs_are_before_it_and_the_more_the_pace_changes() -> None:
    steady, uneven = Pace(2.0, 0.0), Pace(2.0, 0.5)
    starts = [pace.start(AT, ahead, steady) for ahead in (0, 9, 99)]
    assert [one.p50 - AT for one in starts] == [
        timedelta(microseconds=each) for each in (333_333, 4_833_333, 49_833_333)
    ]
    assert all(one.p50 < one.p90 for one in starts)
    assert all(one.p90 < other.p90 for one, other in itertools.pairwise(starts))
    assert pace.start(AT, 99, uneven).p90 > starts[-1].p90


def test_jobs_that_are_claimed_together_begin_with_the_next_claim() -> None:
    single, batched = Pace(10.0, 0.0), Pace(10.0, 0.0, 100.0)
    first, last, far = (pace.start(AT, ahead, batched) for ahead in (0, 49, 1_000))
    assert first.p50 == AT + timedelta(seconds=5)
    assert last.p50 == first.p50
    assert AT + timedelta(seconds=9) <= first.p90 <= AT + timedelta(seconds=11)
    assert far.p50 == pace.start(AT, 1_000, single).p50
    assert far.p90 > pace.start(AT, 1_000, single).p90


def test_nine_of_ten_jobs_begin_within_the_bounds_where_they_are_claimed_together() -> None:
    """Of a line of 1,000, of which 100 are claimed each time."""
    chance = random.Random(7)
    found = 0
    for ahead in range(1_000):
        told = pace.start(AT, ahead, Pace(1.0, 0.0, 100.0))
        wait_s = 100 * (ahead // 100 + 1) - chance.uniform(0, 100)
        found += (told.p50 - AT).total_seconds() / 2 <= wait_s <= (told.p90 - AT).total_seconds() * 2
    assert found >= 900


def test_a_start_that_no_calendar_knows_is_the_last_day() -> None:
    found = pace.start(AT, 10**15, Pace(1e-9, 3.0))
    assert found.p50 == found.p90
    assert found.p50.year == 9999


@pytest.mark.parametrize("ahead", [5, 10, 100, 1_000])
def test_nine_of_ten_jobs_of_a_steady_queue_begin_within_the_bounds(ahead: int) -> None:
    """Jobs that end independently of each other: the hardest of steady queues."""
    chance = random.Random(7)
    told = pace.start(AT, ahead, Pace(1.0, 0.0))
    waits = [sum(chance.expovariate(1.0) for _ in range(ahead + 1)) for _ in range(1_000)]
    low_s, high_s = (told.p50 - AT).total_seconds() / 2, (told.p90 - AT).total_seconds() * 2
    assert sum(low_s <= wait_s <= high_s for wait_s in waits) >= 900
