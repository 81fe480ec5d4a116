"""`rowline series`: what happened in a queue over time, as a chart of lines."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from app.cli import columns, names, output, service
from app.cli.lengths import Since
from app.domain.series import COUNTS, POINTS_MAX, Durations, Periods, Point, Series, Step, together

WIDTH = 60
"""A line of a chart has so many characters at most: with more periods each stands for several."""
BARS, PLAIN_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*%#"
TIMES = {"wait p50": ("wait", 0.5), "wait p95": ("wait", 0.95), "run p50": ("run", 0.5), "run p95": ("run", 0.95)}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.command()
@names.queue
@click.option("--since", type=Since(), help="How far back: 30m, 24h, 7d. Default: 60 minutes, 48 hours or 30 days.")
@click.option(
    "--step",
    type=click.Choice([step.value for step in Step]),
    help=f"The length of a period, of UTC; up to {POINTS_MAX:,} of them.",
)
@output.as_json
@output.watchable
def series(*, queue: str, since: timedelta | None, step: str | None, as_json: bool) -> None:
    """Show what happened in QUEUE in each minute, hour or day, and how long its jobs waited and ran."""
    begin = None if since is None else round(time.time() * 1000) - since // timedelta(milliseconds=1)
    asked: dict[str, Any] = {"from": begin, "step": step, "include": None if as_json else "buckets"}
    with service.opened() as api:
        found = api.get(service.of_queue(queue, "series"), **asked)
    if output.show([found], as_json=as_json):
        return
    for line in chart(of(found.members)):
        print(line)


def of(members: Mapping[str, Any]) -> Series:
    """Return the series of a response that has buckets."""
    periods = Periods(step=Step(members["step"]), from_ms=members["from"], to_ms=members["to"])
    points = {
        begin: Point(
            **{name: members[name][nth] for name in COUNTS},
            wait=Durations(members["wait"]["buckets"][nth]),
            run=Durations(members["run"]["buckets"][nth]),
        )
        for nth, begin in enumerate(members["at"])
    }
    return Series(queue=members["queue"], periods=periods, now_ms=members["asOf"], points=points)


def chart(found: Series) -> list[str]:
    """Return the lines of a chart: for each number a bar a period, then its sum, or how long it took in all of them."""
    points = found.all
    each = -(-len(points) // WIDTH)
    groups = [together(points[start : start + each]) for start in range(0, len(points), each)]
    rows = [_counted(name, groups, found.total) for name in COUNTS]
    rows += [_timed(name, groups, found.total) for name in TIMES]
    return [_title(found, each), "", *(f"{name:9} |{bars}| {said}" for name, bars, said in rows)]


def _title(found: Series, each: int) -> str:
    begin, end = (
        f"{datetime.fromtimestamp(ms / 1_000, tz=UTC):%Y-%m-%d %H:%M}"
        for ms in (found.periods.from_ms, found.periods.to_ms)
    )
    step = found.periods.step
    length = f"{each} {step}s" if each > 1 else f"a {step}" if step is not Step.HOUR else "an hour"
    running = ", of which the last is not over" if found.periods.to_ms > found.now_ms else ""
    return columns.printable(f"{found.queue}: {begin} to {end} UTC, {length} a bar{running}")


def _counted(name: str, groups: Sequence[Point], total: Point) -> tuple[str, str, str]:
    values = [getattr(group, name) for group in groups]
    peak = f", at most {max(values):,} a bar" if any(values) else ""
    return name, _bars([float(value) for value in values]), f"{getattr(total, name):,}{peak}"


def _timed(name: str, groups: Sequence[Point], total: Point) -> tuple[str, str, str]:
    what, share = TIMES[name]
    took: Callable[[Point], Durations] = lambda point: getattr(point, what)  # noqa: E731
    values = [took(group).percentile(share) for group in groups]
    whole, longest = took(total).percentile(share), max((value for value in values if value is not None), default=None)
    said = "none" if whole is None or longest is None else f"{length_of(whole)}, at most {length_of(longest)}"
    return name, _bars(values), said


def _bars(values: Sequence[float | None]) -> str:
    """Return a character for each value, the higher the larger; a space for none, and for zero."""
    bars = BARS if _can_say(BARS) else PLAIN_BARS
    top = max((value for value in values if value is not None), default=0.0)
    last = len(bars) - 1
    return "".join(bars[0] if not value else bars[max(1, round(value / top * last))] for value in values)


def _can_say(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def length_of(seconds: float) -> str:
    """Return a length of time with its unit, in three digits about."""
    if seconds < 1:
        return f"{seconds * 1_000:.3g} ms"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    return f"{seconds / size:.3g} {unit}"
