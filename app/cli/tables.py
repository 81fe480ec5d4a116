"""Tables on a terminal."""

import sys
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli import columns
from app.domain.attempts import REASON_MAX
from app.queries.reports import Found

PIPE_WIDTH = 280  # characters of a table that goes to a file


def show(found: Found, title: str) -> None:
    """Print a table. Texts of jobs are escaped: they cannot be markup or control sequences of the terminal."""
    table = Table(title=title, box=box.SIMPLE_HEAD)
    for index, column in enumerate(found.columns):
        is_number = any(isinstance(row[index], int | float) for row in found.rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in found.rows:
        table.add_row(*(Text(_visible(value)) for value in row))
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table if found.rows else f"{title}: no rows")


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
