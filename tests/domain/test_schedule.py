"""When schedules tick, against an oracle that looks at each minute of the clock, one by one."""

import calendar
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import schedule, wallclock
from app.domain.schedule import Due, Misfire, Timing, due, runs
from app.domain.wallclock import TimingInvalid, zone

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
    "Africa/Cairo": ("2026-04-24", "2026-10-30"),  # at midnight, which is missing
    "Pacific/Apia": ("2011-12-30", "2012-04-01"),  # a whole day is missing
    "Asia/Kolkata": ("2026-06-01", "2026-12-01"),  # never
}
"""Zones, and days on which the clock is changed."""


def ms(text: str) -> int:
    """Return a moment, which is in UTC if it says no other offset."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def walls(tz: str, since: int, until: int) -> list[tuple[int, datetime]]:
    """Return all minutes, and what the clock shows at each."""
    place = zone(tz)
    return [
        (at, datetime.fromtimestamp(at // 1_000, UTC).astimezone(place).replace(tzinfo=None, fold=0))
        for at in range(since, until, MINUTE)
    ]


def field(text: str, low: int, high: int) -> set[int]:
    """Return the numbers that a field means."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        ends = (low, high) if span == "*" else (int(first), int(last or (high if step else first)))
        found |= {*range(ends[0], ends[1] + 1, int(step or 1))}
    return found


def shows(pattern: str, wall: datetime) -> bool:
    """Return whether a pattern of five fields means a time on the wall."""
    minute, hour, day, month, weekday = pattern.split()
    return (
        wall.minute in field(minute, 0, 59)
        and wall.hour in field(hour, 0, 23)
        and wall.month in field(month, 1, 12)
        and is_day(day, weekday, wall)
    )


def is_day(day: str, weekday: str, wall: datetime) -> bool:
    last = calendar.monthrange(wall.year, wall.month)[1]
    by_day = wall.day == last if day == "L" else wall.day in field(day, 1, 31)
    name, _, nth = weekday.partition("#")
    numbers = {number % 7 for number in field(name, 0, 7)}
    by_weekday = wall.isoweekday() % 7 in numbers and (not nth or (wall.day + 6) // 7 == int(nth))
    both = day.startswith("*") or weekday.startswith("*")
    return (by_day and by_weekday) if both else (by_day or by_weekday)


def oracle(pattern: str, tz: str, since: int, until: int) -> list[int]:
    """Return the ticks from `since`, not `until`, of which the clock must not be changed in the first two days."""
    seen = walls(tz, since - 2 * DAY, until + 2 * DAY)
    minute, hour, *_ = pattern.split()
    if minute.startswith("*") or hour.startswith("*"):
        return [at for at, wall in seen if shows(pattern, wall) and since <= at < until]
    first_at = {wall: at for at, wall in reversed(seen)}
    found, wall = set(), seen[0][1]
    while wall <= seen[-1][1]:
        if shows(pattern, wall):
            found.add(first_at[wall] if wall in first_at else next(at for at, shown in seen if shown > wall))
        wall += timedelta(minutes=1)
    return sorted(at for at in found if since <= at < until)


NUMBERS = st.sampled_from
MINUTES = NUMBERS(["0", "30", "15,45", "*", "*/15", "*/7", "5-10", "0-59/20", "59"])
HOURS = NUMBERS(["0", "1", "2", "3", "23", "1-3", "*", "*/2", "*/5", "0,2,12"])
DAYS = NUMBERS(["*", "*", "*", "L", "1", "13", "*/2", "28-31"])
WEEKDAYS = NUMBERS(["*", "*", "*", "0", "7", "1-5", "5#2", "6"])
PATTERNS = st.builds(" ".join, st.tuples(MINUTES, HOURS, DAYS, NUMBERS(["*", "*", "3,4,10-12"]), WEEKDAYS))
PLACES = st.sampled_from([(tz, day) for tz, days in CHANGES.items() for day in days])


@settings(max_examples=60)
@given(pattern=PATTERNS, place=PLACES, before_h=st.integers(1, 30), length_h=st.integers(1, 60))
def test_a_pattern_ticks_at_the_minutes_that_the_clock_shows(
    pattern: str, place: tuple[str, str], before_h: int, length_h: int
) -> None:
    tz, day = place
    since = ms(day) - before_h * HOUR
    until = since + length_h * HOUR
    timing = Timing(pattern=pattern, tz=tz)

    found = [run.on for run in takewhile(lambda run: run.on < until, runs(timing, since=since, count=10_000))]

    assert found == oracle(pattern, tz, since, until)
    walked, tick = [], timing.first_tick(since)
    while tick is not None and tick < until:
        walked.append(tick)
        tick = timing.next_tick(tick)
    assert walked == found


def test_a_schedule_without_a_pattern_begins_at_once_or_at_its_start_and_keeps_its_rhythm() -> None:
    plain = Timing(every_ms=1_000)
    assert (plain.first_tick(5_300), plain.next_tick(5_300)) == (5_300, 6_300)
    started = Timing(every_ms=1_000, starts_at=10_250)
    assert [started.first_tick(now) for now in (0, 10_250, 10_251, 15_000)] == [10_250, 10_250, 11_250, 15_250]
    aligned = Timing(every_ms=1_000, offset_ms=100)
    assert [aligned.first_tick(now) for now in (0, 100, 101)] == [100, 100, 1_100]
    assert aligned.next_tick(1_100) == 2_100
    assert Timing(every_ms=1_000, offset_ms=100, starts_at=5_500).first_tick(0) == 6_100


def test_nothing_ticks_before_the_start_or_after_the_end() -> None:
    start, end = ms("2026-05-02T09:00"), ms("2026-05-04T09:00")
    for timing in (
        Timing(pattern="0 9 * * *", starts_at=start, ends_at=end),
        Timing(every_ms=DAY, starts_at=start, ends_at=end),
    ):
        days = [f"2026-05-0{day}T09:00" for day in (2, 3, 4)]
        assert [run.on for run in runs(timing, since=0, count=10)] == [ms(day) for day in days]
        assert timing.first_tick(0) == ms(days[0])
        assert timing.next_tick(ms(days[1])) == ms(days[2])
        assert timing.next_tick(ms(days[2])) is None
        assert timing.first_tick(ms(days[2]) + 1) is None


def test_what_is_due_on_time_gets_a_job_each_whatever_is_to_be_done_with_missed_ones() -> None:
    for misfire in Misfire:
        assert due(Timing(every_ms=300), next_at=1_000, now=1_900, misfire=misfire) == Due(
            (1_000, 1_300, 1_600, 1_900), 2_200, 0
        )
        assert due(Timing(every_ms=300), next_at=1_000, now=999, misfire=misfire) == Due((), 1_000, 0)


@pytest.mark.parametrize(
    "timing", [Timing(every_ms=HOUR), Timing(every_ms=HOUR, offset_ms=0), Timing(pattern="0 * * * *")], ids=str
)
def test_of_missed_ticks_one_none_or_all_get_jobs(timing: Timing) -> None:
    noon, late = ms("2026-05-01T12:00"), ms("2026-05-01T15:30")
    hours = [noon + nth * HOUR for nth in range(4)]
    following = noon + 4 * HOUR
    assert due(timing, next_at=noon, now=late, misfire=Misfire.ONCE) == Due((hours[-1],), following, 3)
    assert due(timing, next_at=noon, now=late, misfire=Misfire.SKIP) == Due((), following, 4)
    assert due(timing, next_at=noon, now=late, misfire=Misfire.ALL) == Due(tuple(hours), following, 0)
    part = due(timing, next_at=noon, now=late, misfire=Misfire.ALL, most=3)
    assert part == Due(tuple(hours[:3]), hours[3], 0)
    on_time = hours[-1] + 200
    assert due(timing, next_at=noon, now=on_time, misfire=Misfire.ONCE) == Due((hours[-1],), following, 3)
    assert due(timing, next_at=noon, now=on_time, misfire=Misfire.SKIP) == Due((hours[-1],), following, 3)


@pytest.mark.parametrize("timing", [Timing(every_ms=1_000), Timing(pattern="* * * * * *")], ids=str)
@pytest.mark.parametrize("misfire", [Misfire.ONCE, Misfire.SKIP])
def test_what_is_late_though_somebody_made_ticks_all_the_time_gets_a_job_each(timing: Timing, misfire: Misfire) -> None:
    noon = ms("2026-05-01T12:00")
    every = [noon + nth * 1_000 for nth in range(301)]
    late: dict[str, Any] = {"next_at": noon, "now": every[-1] + 500, "misfire": misfire}
    following = every[-1] + 1_000
    assert due(timing, **late, attended_since=noon - HOUR) == Due(tuple(every), following, 0)
    assert due(timing, **late, attended_since=noon - HOUR, most=5) == Due(tuple(every[:5]), every[5], 0)
    # 100 were missed, since those of the last second before somebody came are on time.
    part = due(timing, **late, attended_since=every[100])
    assert part == Due(tuple(every[100:]), following, 100)
    assert due(timing, **late, attended_since=late["now"] + HOUR).ticks == (every[-1],)  # the clock was set back


@settings(max_examples=100)
@given(
    pattern=PATTERNS,
    place=PLACES,
    away_ms=st.integers(0, 40 * DAY),
    ends_after_ms=st.none() | st.integers(0, 40 * DAY),
    misfire=st.sampled_from([Misfire.ONCE, Misfire.SKIP]),
)
def test_after_a_pause_of_any_length_the_last_tick_and_the_next_are_those_of_a_walk(
    pattern: str, place: tuple[str, str], away_ms: int, ends_after_ms: int | None, misfire: Misfire
) -> None:
    tz, day = place
    since = ms(day) - 10 * DAY
    timing = Timing(pattern=pattern, tz=tz, ends_at=None if ends_after_ms is None else since + ends_after_ms)
    next_at = timing.first_tick(since)
    if next_at is None:
        return
    now = next_at + away_ms
    walked, tick = [next_at], timing.next_tick(next_at)
    while tick is not None and tick <= now:
        walked.append(tick)
        tick = timing.next_tick(tick)

    found = due(timing, next_at=next_at, now=now, misfire=misfire)

    on_time = tuple(each for each in walked if each > now - schedule.ON_TIME_MS)
    expected = on_time or (tuple(walked[-1:]) if misfire is Misfire.ONCE else ())
    assert (found.ticks, found.next_at) == (expected, tick)
    assert found.missed == min(len(walked) - len(expected), found.missed)
    assert found.missed >= min(len(walked) - len(expected), schedule.COUNTED_MAX - 1)


def test_ten_years_of_seconds_are_made_up_for_without_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = Timing._by_pattern  # noqa: SLF001 - what is counted

    def counted(self: Timing, after: int) -> int | None:
        asked.append(after)
        return plain(self, after)

    monkeypatch.setattr(Timing, "_by_pattern", counted)
    timing = Timing(pattern="* * * * * *", tz="Europe/Berlin")
    found = due(timing, next_at=ms("2016-01-01"), now=ms("2026-01-01"), misfire=Misfire.ONCE)
    assert found == Due((ms("2026-01-01"),), ms("2026-01-01") + 1_000, schedule.COUNTED_MAX + 1)
    assert len(asked) < 2 * schedule.COUNTED_MAX
    every = Timing(every_ms=1)
    assert due(every, next_at=0, now=ms("2026-01-01"), misfire=Misfire.SKIP).missed == ms("2026-01-01") - 999


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("@weekdays", "0 0 * * MON-FRI"),
        ("@secondly", "* * * * * *"),
        ("0 12 ? * MON", "0 0 12 * * 1"),
        ("0 12 1 * ?", "0 12 1 * *"),
        ("0 12 * JAN,Feb sun", "0 12 * 1,2 7"),
        ("0 9 * * 5L", "0 9 29 5 *"),
    ],
)
def test_patterns_that_mean_the_same(pattern: str, same: str) -> None:
    found, expected = (
        [run.on for run in runs(Timing(pattern=each), since=ms("2026-05-01"), count=1)] for each in (pattern, same)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("members", "field_name", "fault"),
    [
        ({}, "pattern", "or 'every' is required"),
        ({"pattern": "* * * * *", "every_ms": 1}, "pattern", "must not be there beside 'every'"),
        ({"pattern": "* * * *"}, "pattern", "must have five fields"),
        ({"pattern": "* * * * * * *"}, "pattern", "it has 7"),
        ({"pattern": ""}, "pattern", "must be fields of cron"),
        ({"pattern": "@sometimes"}, "pattern", "or a name such as @daily"),
        ({"pattern": "61 * * * *"}, "pattern", "has a minute that is none: 61"),
        ({"pattern": "0 24 * * *"}, "pattern", "has an hour that is none: 24"),
        ({"pattern": "0 0 32 * *"}, "pattern", "has a day of the month that is none: 32"),
        ({"pattern": "0 0 1 13 *"}, "pattern", "has a month that is none: 13"),
        ({"pattern": "0 0 1 1 MOON"}, "pattern", "has a day of the week that is none: MOON"),
        ({"pattern": "60 * * * * *"}, "pattern", "has a second that is none: 60"),
        ({"pattern": "? * * * *"}, "pattern", "has a minute that is none: ?"),
        ({"pattern": "*/0 * * * *"}, "pattern", "has a minute that is none: */0"),
        ({"pattern": "10-5 * * * *"}, "pattern", "has a minute that is none: 10-5"),
        ({"pattern": "0 0 31 2,4,6 *"}, "pattern", "never comes: no month has such a day"),
        ({"pattern": "1" * 201}, "pattern", "must have at most 200 characters"),
        ({"pattern": "٣ * * * *"}, "pattern", "must be fields of cron"),
        ({"pattern": "* * * * *", "tz": "Europe/Wien"}, "tz", "must be a time zone such as Europe/Vienna"),
        ({"pattern": "* * * * *", "tz": "../../etc/passwd"}, "tz", "must be a time zone"),
        ({"pattern": "* * * * *", "tz": ""}, "tz", "must be a time zone"),
        ({"every_ms": 1, "starts_at": 2, "ends_at": 1}, "endDate", "must not be before 'startDate'"),
    ],
)
def test_what_cannot_tick_is_refused_by_a_sentence_that_names_the_fault(
    members: dict[str, object], field_name: str, fault: str
) -> None:
    with pytest.raises(TimingInvalid, match=re.escape(fault)) as raised:
        Timing(**members)  # type: ignore[arg-type]
    assert raised.value.field == field_name


def test_all_time_zones_are_those_of_the_package_that_all_nodes_have() -> None:
    assert zone("UTC") is UTC
    assert zone("Europe/Vienna").utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)  # noqa: DTZ001 - on the wall
    for name in wallclock._zones():  # noqa: SLF001 - all there are
        assert zone(name).utcoffset(datetime(2026, 7, 1)) is not None  # noqa: DTZ001 - on the wall


@pytest.mark.parametrize(
    "timing", [Timing(every_ms=schedule.EVERY_MAX_MS), Timing(pattern="0 3 * * *", tz="Europe/Vienna")]
)
@pytest.mark.parametrize("since", [253_402_300_799_999, 250_246_700_000_000])
def test_at_the_end_of_time_nothing_ticks(timing: Timing, since: int) -> None:
    late = replace(timing, starts_at=since)
    assert late.first_tick(0) is None
    assert late.next_tick(since) is None
    assert runs(late, since=0, count=100) == []
    assert len(runs(timing, since=249_000_000_000_000, count=100)) > 0


@pytest.mark.parametrize("pattern", ["* * 2 * 3 0L", "*/30 2 * 3 0L", "* 2 * 3 0L"])
def test_a_pattern_whose_times_the_clock_leaves_out_each_year_ends_soon(pattern: str) -> None:
    timing = Timing(pattern=pattern, tz="Europe/Berlin")
    with counted_walls() as walls:
        assert timing.first_tick(ms("2026-01-01")) is None
        assert runs(timing, since=ms("2026-01-01"), count=100) == []
    assert len(walls) <= 2 * (wallclock.YEARS_MAX + 2)


def test_a_gap_is_passed_by_one_of_its_times() -> None:
    timing = Timing(pattern="* 0-59 2 * 3 0L", tz="Europe/Berlin")
    with counted_walls() as walls:
        found = runs(timing, since=ms("2026-01-01"), count=20)
    assert [run.local[5:16] for run in found] == [run.local[5:10] + "T03:00" for run in found]
    assert len(found) == 20
    assert len(walls) <= 21


@contextlib.contextmanager
def counted_walls() -> Iterator[list[datetime]]:
    """Note the times on the wall that are looked at."""
    plain, seen = wallclock._walls, []  # noqa: SLF001 - what is counted

    def noted(fields: str, after: datetime) -> Iterator[datetime]:
        for wall in plain(fields, after):
            seen.append(wall)
            yield wall

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wallclock, "_walls", noted)
        yield seen
