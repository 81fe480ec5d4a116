"""Tables on a terminal."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from app.cli import columns
from app.domain.attempts import REASON_MAX

UNBOUNDED = 1_000_000  # characters


@dataclass(frozen=True, slots=True)
class Table:
    """The names of columns, and rows."""

    columns: list[str]
    rows: list[Sequence[Any]]


class Shown(Protocol):
    """A table, or the result of a report."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    @property
    def rows(self) -> list[Sequence[Any]]:
        """The rows."""


def show(found: Shown, title: str) -> None:
    """Print a table; on a terminal that is too narrow for it a block of lines for each row, so that no value is broken.

    Texts of jobs are escaped: they cannot be markup or control sequences of the terminal.
    """
    shown = [[*map(_visible, row)] for row in found.rows]
    if not shown:
        print(columns.printable(f"{title}: no rows"))
        return
    table = RichTable(title=Text(columns.printable(title)), box=box.SIMPLE_HEAD)
    for index, column in enumerate(found.columns):
        is_number = any(isinstance(row[index], int | float) for row in found.rows)
        table.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    for row in shown:
        table.add_row(*map(Text, row))
    needed = Console(width=UNBOUNDED).measure(table).maximum
    if sys.stdout.isatty() and needed > Console().width:
        _show_blocks(found.columns, shown, title)
    else:
        Console(width=needed).print(table)


def _show_blocks(names: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print the values of each row below each other, without those that are empty."""
    width = max(map(len, names))
    print(columns.printable(title))
    for row in rows:
        print()
        for name, value in zip(names, row, strict=True):
            if value:
                print(f"  {name:{width}}  {value}")


def _visible(value: object) -> str:
    shown = f"{value:,.3f}" if isinstance(value, float) else str(plain(value))
    return columns.printable(shown)


def plain(value: object) -> object:
    """Return a value as a text or a number, texts cut."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case list():
            return ", ".join(map(str, value))
        case str():
            return value[:REASON_MAX]
    return value
