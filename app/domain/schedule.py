"""When a schedule ticks: by an interval, or by a pattern of cron in a time zone. No clock: the moments are given.

All times are ms since the epoch. Time zones are those of the package `tzdata`, so that all nodes know the same rules.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from cronsim import CronSim, CronSimError

from app.domain import wallclock
from app.domain.ids import TICKS
from app.domain.wallclock import TimingInvalid

PATTERN_MAX = 200  # characters
EVERY_MAX_MS = 10 * 366 * 24 * 3_600_000
ON_TIME_MS = 1_000
"""A tick was missed if it was older than this when somebody began to make ticks: nobody was there for it."""
COUNTED_MAX = 100
"""Missed ticks of a pattern are counted up to this number at a time: there may be millions."""
AT_ONCE = 1_000
"""The most ticks that are made up for at a time."""
_FIELDS = ["a second", "a minute", "an hour", "a day of the month", "a month", "a day of the week"]
_DAYS = (-3, -1)  # the fields that may be "?"
_PLAIN_FIELDS = 5  # of six, of which the first is the seconds
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@minutely": "* * * * *",
    "@secondly": "* * * * * *",
    "@weekdays": "0 0 * * 1-5",
    "@weekends": "0 0 * * 0,6",
}
_PLAIN = re.compile(r"[0-9A-Za-z*/,#?\- ]+", re.ASCII)
_LAST_AT = int(datetime(wallclock.LAST_YEAR, 1, 1, tzinfo=UTC).timestamp()) * 1_000


class Misfire(StrEnum):
    """What becomes of ticks that nobody was there for."""

    ONCE = "once"  # one job for all of them
    SKIP = "skip"  # none
    ALL = "all"  # a job each, the oldest first


class Overlap(StrEnum):
    """What becomes of a tick while the job of the last one is not over."""

    PENDING = "pending"  # no job while the last one has not begun
    SKIP = "skip"  # no job while the last one has not ended
    ALLOW = "allow"  # a job
    CANCEL = "cancel"  # a job; the last one is cancelled


class Run(NamedTuple):
    """A tick to come: when, what the clock on the wall shows then, and what is odd about it."""

    on: int
    local: str
    note: str | None


class Due(NamedTuple):
    """The ticks that get jobs now, when the next one is (None: there is none), and how many were missed.

    Of a pattern up to COUNTED_MAX missed ones are counted, and the last one.
    """

    ticks: tuple[int, ...]
    next_at: int | None
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a schedule ticks: each `every_ms`, at multiples of it plus `offset_ms` if that is set, or by `pattern`.

    From `starts_at` on, that moment included, to `ends_at`, it too. Raises TimingInvalid if it can never tick.
    """

    every_ms: int | None = None
    offset_ms: int | None = None
    pattern: str | None = None
    tz: str = "UTC"
    starts_at: int | None = None
    ends_at: int | None = None

    def __post_init__(self) -> None:
        """Validate all of it."""
        if self.every_ms is not None and self.pattern is not None:
            raise TimingInvalid("pattern", "must not be there beside 'every'")
        wallclock.zone(self.tz)
        if self.pattern is not None:
            _fields(self.pattern)
        elif self.every_ms is None:
            raise TimingInvalid("pattern", "or 'every' is required")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at < self.starts_at:
            raise TimingInvalid("endDate", "must not be before 'startDate'")

    def first_tick(self, now: int) -> int | None:
        """Return the first tick at or after `now`.

        Of an interval without offset: at once, or at `starts_at` and in the rhythm that began there.
        """
        begin = now if self.starts_at is None else max(now, self.starts_at)
        if self.every_ms is None:
            return self._until_end(self._by_pattern(begin - 1))
        anchor = self.starts_at if self.offset_ms is None else self.offset_ms
        return self._until_end(begin if anchor is None else begin + (anchor - begin) % self.every_ms)

    def next_tick(self, after: int) -> int | None:
        """Return the first tick later than `after`, which is a tick, if it ticks in intervals; None: it is over."""
        if self.every_ms is None:
            begin = after if self.starts_at is None else max(after, self.starts_at - 1)
            return self._until_end(self._by_pattern(begin))
        if self.offset_ms is None:
            return self._until_end(after + self.every_ms)
        return self.first_tick(after + 1)

    def _until_end(self, tick: int | None) -> int | None:
        end = _LAST_AT if self.ends_at is None else min(self.ends_at, _LAST_AT)
        return None if tick is None or tick > end else tick

    def _by_pattern(self, after: int) -> int | None:
        if after >= _LAST_AT:
            return None
        return next((tick.on for tick in _ticks(self.pattern or "", wallclock.zone(self.tz), after)), None)


def due(
    timing: Timing, *, next_at: int, now: int, misfire: Misfire, attended_since: int | None = None, most: int = AT_ONCE
) -> Due:
    """Return what is due at `now` of a schedule whose next tick is `next_at`; `most` ticks, so that more may be due.

    Somebody has made ticks since `attended_since`, by default since now: earlier ones were missed, but for those of the
    last ON_TIME_MS before. All others get a job, however late. Of what was missed: with ONCE the last tick gets one, if
    no tick is on time; with ALL each.
    """
    if next_at > now:
        return Due((), next_at, 0)
    missed_until = now - ON_TIME_MS if attended_since is None else min(now, attended_since) - ON_TIME_MS
    if misfire is Misfire.ALL or next_at > missed_until:
        return _each(timing, next_at, now, most)
    last, missed, following = _missed(timing, next_at, missed_until)
    on_time = _each(timing, following, now, most)
    if misfire is Misfire.ONCE and not on_time.ticks:
        return Due((last,), following, missed - 1)
    return on_time._replace(missed=missed)


def next_after(timing: Timing, *, next_at: int, now: int) -> int | None:
    """Return the first tick later than `now` of a schedule whose next tick, which is due, is `next_at`."""
    return _missed(timing, next_at, now)[2]


def _each(timing: Timing, next_at: int | None, now: int, most: int) -> Due:
    ticks: list[int] = []
    tick = next_at
    while tick is not None and tick <= now and len(ticks) < most:
        ticks.append(tick)
        tick = timing.next_tick(tick)
    return Due(tuple(ticks), tick, 0)


def _missed(timing: Timing, next_at: int, until: int) -> tuple[int, int, int | None]:
    """Return the last tick up to `until`, how many there were, and the next one, without walking over all of them."""
    if timing.every_ms is not None:
        end = until if timing.ends_at is None else min(until, timing.ends_at)
        number = max(1, (end - next_at) // timing.every_ms + 1)
        last = next_at + (number - 1) * timing.every_ms
        return last, number, timing.next_tick(last)
    last, tick, number = next_at, timing.next_tick(next_at), 1
    while tick is not None and tick <= until and number < COUNTED_MAX:
        last, tick, number = tick, timing.next_tick(tick), number + 1
    if tick is None or tick > until:
        return last, number, tick
    low, high = tick - 1, until  # the next tick after `low` is not later than `until`, that after `high` is
    while high - low > 1:
        middle = (low + high) // 2
        tick = timing.next_tick(middle)
        low, high = (middle, high) if tick is not None and tick <= until else (low, middle)
    return high, number + 1, timing.next_tick(until)


def runs(timing: Timing, *, since: int, count: int, is_tick: bool = False) -> list[Run]:
    """Return the next ticks at or after `since`, `count` at most, with what daylight saving time does to them.

    `is_tick`: `since` is one, with which an interval goes on, whatever rhythm it would begin with.
    """
    found: list[Run] = []
    place = wallclock.zone(timing.tz)
    for tick in _following(timing, since, place, is_tick=is_tick):
        if len(found) == count or (timing.ends_at is not None and tick.on > timing.ends_at):
            break
        found.append(tick)
    noted = []
    for nth, run in enumerate(found):
        before = wallclock.local(found[nth - 1].on, place).utcoffset() if nth else None
        here = wallclock.local(run.on, place).utcoffset()
        note = (
            f"the offset from UTC is {_offset(here)} now, was {_offset(before)}" if before not in {None, here} else None
        )
        noted.append(run._replace(note=run.note or note))
    return noted


def _following(timing: Timing, since: int, place: tzinfo, *, is_tick: bool) -> Iterator[Run]:
    begin = since if timing.starts_at is None else max(since, timing.starts_at)
    if begin > _LAST_AT:
        return
    if timing.pattern is not None:
        yield from _ticks(timing.pattern, place, begin - 1)
        return
    tick = since if is_tick else timing.first_tick(begin)
    while tick is not None:
        yield _run(tick, place)
        tick = timing.next_tick(tick)


def job_id(schedule_id: str, tick: int) -> str:
    """Return the custom id of the job of a tick."""
    return f"{TICKS}{schedule_id}:{tick}"


@lru_cache(maxsize=10_000)
def _fields(pattern: str) -> str:
    """Return a pattern in six fields. Raises TimingInvalid if it has a fault, or never comes."""
    if len(pattern) > PATTERN_MAX:
        raise TimingInvalid("pattern", f"must have at most {PATTERN_MAX} characters")
    named = _NAMED.get(pattern.strip().lower(), pattern)
    if not _PLAIN.fullmatch(named):
        raise TimingInvalid("pattern", "must be fields of cron, or a name such as @daily")
    parts = named.split()
    if not _PLAIN_FIELDS <= len(parts) <= len(_FIELDS):
        message = "must have five fields (minute, hour, day of the month, month, day of the week), or six, with the "
        raise TimingInvalid("pattern", f"{message}seconds in front; it has {len(parts)}")
    for nth in _DAYS:
        parts[nth] = "*" if parts[nth] == "?" else parts[nth]
    parts = ["0", *parts] if len(parts) == _PLAIN_FIELDS else parts
    found = " ".join(parts)
    try:
        never = next(CronSim(found, datetime(2000, 1, 1)), None) is None  # noqa: DTZ001 - time on the wall
    except CronSimError:
        raise TimingInvalid("pattern", _fault(parts)) from None
    if never:
        raise TimingInvalid("pattern", "never comes: no day is so")
    return found


def _fault(parts: list[str]) -> str:
    """Return which of the fields is wrong."""
    for nth, part in enumerate(parts):
        alone = ["*"] * len(parts)
        alone[nth] = part
        try:
            CronSim(" ".join(alone), datetime(2000, 1, 1))  # noqa: DTZ001 - time on the wall
        except CronSimError:
            return f"has {_FIELDS[nth]} that is none: {part}"
    return "never comes: no month has such a day"


def _ticks(pattern: str, place: tzinfo, after: int) -> Iterator[Run]:
    """Yield the ticks later than `after`.

    With a fixed minute and hour: one for each time on the wall that the pattern names; if the clock passes over it, at
    the first moment behind; if it comes twice, at the first. Else, as of each so many minutes: each moment at which the
    clock shows a time that the pattern names.
    """
    fields = _fields(pattern)
    _, minute, hour, *_ = fields.split()
    is_fixed = not (minute.startswith("*") or hour.startswith("*"))
    last = after
    for on, note in (wallclock.at_fixed if is_fixed else wallclock.at_each)(fields, place, after):
        if on > last:
            yield _run(on, place)._replace(note=note)
            last = on


def _run(on: int, place: tzinfo) -> Run:
    local = wallclock.local(on, place).replace(microsecond=on % 1_000 * 1_000)
    return Run(on, local.isoformat(timespec="milliseconds" if on % 1_000 else "seconds"), None)


def _offset(offset: timedelta | None) -> str:
    minutes = int((offset or timedelta()).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
