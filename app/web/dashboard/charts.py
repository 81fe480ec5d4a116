"""Charts of a queue: what happened in each minute, hour or day, and how long jobs waited and ran."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response, request

from app.web import names
from app.web.dashboard import api, page, shown

STEPS = {"minute": "60 minutes", "hour": "48 hours", "day": "30 days"}
"""The length of a period, and how long a chart is by it."""
COUNTS, SHARES = ("added", "completed", "failed"), ("p50", "p95", "p99")
WIDTH, HEIGHT = 600, 120
"""Of a drawing, in units of its own: the page stretches it."""
HIGH = 24
"""Of the small charts of a list, whose widths are so many units as they have values."""
_ROUND = (1, 2, 5, 10)
_TIMES_MS = tuple(
    count * unit
    for unit, counts in (
        (1, (10, 20, 50, 100, 200, 500)),
        (1_000, (1, 2, 5, 10, 20, 30)),
        (60_000, (1, 2, 5, 10, 20, 30)),
        (3_600_000, (1, 2, 5, 12)),
    )
    for count in counts
)
"""Where the scale of a chart of times may end: at what a person reads without a decimal point; then at days."""
_DAY_MS = 86_400_000


class Line(NamedTuple):
    """One line of a chart: its name, its path, and the values that the path shows."""

    name: str
    path: str
    values: Sequence[int | None]


class Mini(NamedTuple):
    """A chart without words: an area of what came in, a line of what went out, and how much that was in all."""

    area: str
    line: str
    added: int
    ended: int


class Chart(NamedTuple):
    """Lines over the same time, with one scale."""

    title: str
    top: int
    lines: list[Line]
    is_time: bool


def blueprint() -> Blueprint:
    """Return the page of the charts."""
    routes = Blueprint("charts", __name__)

    @routes.get("/queues/<segment:queue>/charts")
    def show(queue: str) -> Response:
        """Show the charts of a queue, by the step of the query."""
        name = names.queue_name(queue)
        step = request.args.get("step", "")
        step = step if step in STEPS else "minute"
        found = api.of().get(f"/queues/{queue}/series", {"step": step})
        return page.render(
            "charts.html",
            name=name,
            step=step,
            steps=STEPS,
            found=found,
            charts=drawn(found),
            stream=f"?queue={shown.segment(name)}",
        )

    return routes


def spark(found: dict[str, Any]) -> Chart:
    """Return the small chart of the page of a queue."""
    values = {name: found[name] for name in COUNTS}
    return _scaled("Jobs a minute", values, max(1, *(value for each in values.values() for value in each)))


def mini(minutes: dict[str, Any]) -> Mini:
    """Return the small chart of a queue in a list: some hundred bytes, since a page has many."""
    most = max(*minutes["added"], *minutes["ended"], 1)
    added, ended = (_steps(minutes[name], most) for name in ("added", "ended"))
    return Mini(f"{added}V{HIGH}H0Z", ended, sum(minutes["added"]), sum(minutes["ended"]))


def _steps(values: Sequence[int], top: int) -> str:
    """Return a path of one unit to the right for each value, in whole units of height."""
    heights = [round(HIGH * (1 - value / top)) for value in values]
    path, level = f"M0 {heights[0]}", 0
    for before, height in itertools.pairwise(heights):
        if height != before:
            path += (f"h{level}" if level else "") + f"l1 {height - before}"
        level = level + 1 if height == before else 0
    return path + (f"h{level}" if level else "")


def _chart(title: str, values: dict[str, Sequence[int | None]], *, is_time: bool = False) -> Chart:
    """Return a chart whose scale ends at a round number that no value passes."""
    most = max((value for each in values.values() for value in each if value is not None), default=0)
    return _scaled(title, values, _top_ms(most) if is_time else _top(most), is_time=is_time)


def _scaled(title: str, values: dict[str, Sequence[int | None]], top: int, *, is_time: bool = False) -> Chart:
    lines = [Line(name, _path(each, top), each) for name, each in values.items()]
    return Chart(title, top, lines, is_time)


def drawn(found: dict[str, Any]) -> list[Chart]:
    """Return the charts of a series."""
    return [
        _chart(f"Jobs in each {found['step']}", {name: found[name] for name in COUNTS}),
        _chart("How long jobs waited", {name: found["wait"][name] for name in SHARES}, is_time=True),
        _chart("How long attempts ran", {name: found["run"][name] for name in SHARES}, is_time=True),
    ]


def _path(values: Sequence[int | None], top: int) -> str:
    """Return a path through the values; it has a gap where there is none, and a dot where one stands alone."""
    width = WIDTH / max(len(values) - 1, 1)
    parts, was_there = [], False
    for nth, value in enumerate(values):
        if value is not None:
            x, y = round(nth * width, 1), round(HEIGHT * (1 - value / top), 1)
            parts.append(f"{'L' if was_there else 'M'}{x:g} {y:g}" + ("" if was_there else "h0"))
        was_there = value is not None
    return "".join(parts)


def _top(most: int) -> int:
    scale = 1
    while scale * _ROUND[-1] < most:
        scale *= 10
    return next(scale * step for step in _ROUND if scale * step >= most)


def _top_ms(most: int) -> int:
    return next((top for top in _TIMES_MS if top >= most), _top(-(-most // _DAY_MS)) * _DAY_MS)
