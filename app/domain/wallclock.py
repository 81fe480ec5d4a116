"""What clocks on walls show, and when: times of patterns of cron in a time zone, through all changes of the clocks.

Moments are ms since the epoch. Time zones are those of the package `tzdata`, so that all nodes know the same rules.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from cronsim import CronSim

SECOND = timedelta(seconds=1)
YEARS_MAX = 50
"""A pattern whose times the clock leaves out for so many years never comes."""
LAST_YEAR = 9_900  # from which on nothing ticks; the last year that a date can have is 9999


class TimingInvalid(ValueError):
    """No schedule can tick so. `field` is the member that is wrong; the text says why, as a predicate."""

    def __init__(self, field: str, message: str) -> None:
        """Name the member, and the fault."""
        super().__init__(message)
        self.field = field


@lru_cache(maxsize=1_000)
def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises TimingInvalid."""
    if name == "UTC":
        return UTC
    if name not in _zones():
        raise TimingInvalid("tz", "must be a time zone such as Europe/Vienna")
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


def at_fixed(fields: str, place: tzinfo, after: int) -> Iterator[tuple[int, str | None]]:
    """Yield moments in order, some of them not later than `after`."""
    begin: datetime | None = _wall(after, place)
    while begin is not None:
        walls = _walls(fields, begin)
        begin = None
        for wall in walls:
            first, second = (_instant(wall, place, fold) for fold in (0, 1))
            if first == second:
                yield first, None
            elif first < second:
                yield first, f"{wall:%H:%M} comes twice on this day: it is the first"
            else:
                on = _transition(second, first, place)
                yield on, f"{wall:%H:%M} does not exist on this day: it is the first moment after it"
                begin = _wall(on, place) - SECOND  # behind all other times in the gap
                break


def at_each(fields: str, place: tzinfo, after: int) -> Iterator[tuple[int, None]]:
    """Yield moments in order. Where the clock is set back, times come twice: first all of them, then all again."""
    here = local(after, place)
    begin, until = here.replace(tzinfo=None, fold=0), None
    first, second = (_instant(begin, place, fold) for fold in (0, 1))
    if first < second:
        back = _transition(first, second, place)
        until = _wall(back - 1_000, place) + SECOND
        if here.fold == 0:
            for wall in _walls(fields, begin):
                if wall >= until:
                    break
                yield _instant(wall, place, 0), None
            begin = _wall(back, place) - SECOND
    yield from _each_behind(fields, place, begin, until)


def _each_behind(fields: str, place: tzinfo, begin: datetime, until: datetime | None) -> Iterator[tuple[int, None]]:
    """Go on from a time on the wall; those before `until` come for the second time.

    Nothing comes any more if all times of many years are left out by the clock.
    """
    last_year = begin.year + YEARS_MAX
    next_begin: datetime | None = begin
    while next_begin is not None:
        walls = _walls(fields, next_begin)
        next_begin = None
        for wall in walls:
            if wall.year > last_year:
                return
            first, second = (_instant(wall, place, fold) for fold in (0, 1))
            if until is not None and wall < until:
                yield second, None
            elif first == second:
                yield first, None
            elif first < second:
                yield first, None
                yield from at_each(fields, place, first)
                return
            else:
                next_begin = _wall(_transition(second, first, place), place) - SECOND
                break
            last_year = wall.year + YEARS_MAX


def _walls(fields: str, after: datetime) -> Iterator[datetime]:
    """Yield the times on the wall that the pattern names, later than `after`."""
    if after.year < LAST_YEAR:
        yield from CronSim(fields, after)


def _instant(wall: datetime, place: tzinfo, fold: int) -> int:
    """Return when the clock shows this; of a time that it passes over, what it would be by the offset on one side."""
    return int(wall.replace(tzinfo=place, fold=fold).timestamp()) * 1_000


def local(at: int, place: tzinfo) -> datetime:
    """Return what the clock shows, with its offset from UTC."""
    return datetime.fromtimestamp(at // 1_000, UTC).astimezone(place)


def _transition(low: int, high: int, place: tzinfo) -> int:
    """Return the first moment after `low` with the offset from UTC that `high` has; there is one change between."""
    low, high = low // 1_000, high // 1_000
    offset = local(high * 1_000, place).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if local(middle * 1_000, place).utcoffset() == offset else (middle, high)
    return high * 1_000


def _wall(at: int, place: tzinfo) -> datetime:
    """Return what the clock shows."""
    return local(at, place).replace(tzinfo=None, fold=0)
