"""The tables of schedules.md: what they say is what is done."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from app.domain.schedule import Timing, runs

PAGE = Path(__file__).parents[2] / "app" / "docs" / "schedules.md"
SIX = {
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Asia/Kolkata"),
}
"""Zones with a gap, an hour twice, a shift of 30 minutes, no midnight, a day less, and without changes."""
FIRST = datetime(2026, 5, 1, tzinfo=UTC)


class Row(NamedTuple):
    """A pattern, its zone, and its ticks on the clocks there, the first of which it is asked from."""

    pattern: str
    tz: str
    ticks: list[str]


def table(head: str) -> list[list[str]]:
    """Return the cells of the rows of the table that begins with `head`."""
    lines = PAGE.read_text().split(f"{head}\n")[1].splitlines()[1:]
    rows = lines[: lines.index("")]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


CHANGES = [Row(row[0], row[1], row[3].split(", ")) for row in table("| pattern | time zone | clocks | ticks |")]
PATTERNS = [
    Row(row[0], "UTC", [f"{tick}+00:00" for tick in row[2].split(", ")]) for row in table("| pattern | means | ticks |")
]


def ticks_of(row: Row, since: datetime) -> list[str]:
    since_ms = int(since.timestamp() * 1_000)
    return [run.local for run in runs(Timing(pattern=row.pattern, tz=row.tz), since=since_ms, count=len(row.ticks))]


@pytest.mark.parametrize("row", CHANGES, ids=str)
def test_a_change_of_the_clocks_does_what_the_table_says(row: Row) -> None:
    assert ticks_of(row, datetime.fromisoformat(row.ticks[0])) == row.ticks


@pytest.mark.parametrize("row", PATTERNS, ids=str)
def test_a_pattern_means_what_the_table_says(row: Row) -> None:
    assert ticks_of(row, FIRST) == row.ticks


def test_the_tables_have_what_is_promised() -> None:
    assert {row.tz for row in CHANGES} == SIX
    patterns = " ".join(row.pattern for row in PATTERNS)
    assert all(sign in patterns for sign in ("L", "#", "?", "-", ",", "/", "@daily", "MON", "FEB"))
