"""`rowline series`, as a person calls it."""

import io
import json
import sys

import pytest

from app.cli import series as command
from app.domain import durations
from app.domain.series import LENGTH_MS, Durations, Periods, Point, Series, Step
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import work
from tests.support.commands import said
from tests.support.jobs import new

NOW = 1_795_860_101_234


def found(step: Step, points: dict[int, Point], *, count: int) -> Series:
    """Return a series of so many periods, up to the running one; `points` by how many periods ago."""
    length = LENGTH_MS[step]
    end = NOW // length * length + length
    periods = Periods(step=step, from_ms=end - count * length, to_ms=end)
    return Series(
        queue="ma\x1bil",
        periods=periods,
        now_ms=NOW,
        points={end - (ago + 1) * length: point for ago, point in points.items()},
    )


def bars(lines: list[str], name: str) -> tuple[str, str]:
    """Return the bars of a line, and what it says."""
    [line] = [line for line in lines if line.startswith(name)]
    _, drawn, told = line.split("|")
    return drawn, told.strip()


def test_a_bar_is_as_high_as_its_number_and_none_for_nothing() -> None:
    waits = [0] * durations.BUCKETS
    waits[9], waits[10] = 1, 1
    points = {
        0: Point(added=80, completed=1),
        2: Point(added=10, wait=Durations(waits, 3.0), run=Durations([2], 0.001)),
        4: Point(added=1_000, stalled=1),
    }
    lines = command.chart(found(Step.MINUTE, points, count=6))
    assert lines[0].startswith("ma�il: 2026-11-28 ")
    assert lines[0].endswith(" UTC, a minute a bar, of which the last is not over")
    assert bars(lines, "added") == (" █ ▁ ▁", "1,090, at most 1,000 a bar")
    assert bars(lines, "completed") == ("     █", "1, at most 1 a bar")
    assert bars(lines, "failed") == ("      ", "0")
    assert bars(lines, "wait p50") == ("   █  ", "1 s, at most 1 s")
    assert bars(lines, "run p95") == ("   █  ", "0.95 ms, at most 0.95 ms")
    assert bars(lines, "run p50")[1].startswith("0.5 ms")


def test_with_many_periods_a_bar_stands_for_several() -> None:
    points = {ago: Point(added=1) for ago in range(150)}
    lines = command.chart(found(Step.HOUR, points, count=150))
    assert "3 hours a bar" in lines[0]
    drawn, told = bars(lines, "added")
    assert (len(drawn), told) == (50, "150, at most 3 a bar")
    assert "an hour a bar" in command.chart(found(Step.HOUR, {}, count=2))[0]
    assert bars(command.chart(found(Step.DAY, {}, count=2)), "wait p50") == ("  ", "none")


def test_bars_are_plain_characters_where_the_terminal_has_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    drawn, _ = bars(command.chart(found(Step.DAY, {0: Point(added=8), 1: Point(added=4)}, count=3)), "added")
    assert drawn == " =#"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0123, "12.3 ms"), (1.5, "1.5 s"), (90.0, "1.5 min"), (7_200.0, "2 h"), (86_400.0, "1 d"), (0.0005, "0.5 ms")],
)
def test_a_length_of_time_has_its_unit(seconds: float, shown: str) -> None:
    assert command.length_of(seconds) == shown


@pytest.mark.usefixtures("early_in_a_minute")
def test_it_is_shown_and_printed_as_json(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="rowline-test")
    jobs.submit_many(db, queue="mail", new=[new()] * 3)
    work.complete_next(db, queue="mail")
    work.fold(db)
    shown = said(own_url, "series", "mail")
    assert shown.startswith("mail: ")
    assert "3, at most 3 a bar" in shown
    told = json.loads(said(own_url, "series", "mail", "--json", "--since", "3h"))
    assert (told["step"], told["total"]["completed"], len(told["at"])) == ("minute", 1, 181)
    assert json.loads(said(own_url, "series", "mail", "--json", "--step", "day"))["step"] == "day"
    assert "take a longer step" in said(own_url, "series", "mail", "--since", "40h", "--step", "minute", code=2)
    said(own_url, "series", "mail", "--since", "never", code=2)
    said(own_url, "series", "mail", "--step", "second", code=2)
    db.close()
