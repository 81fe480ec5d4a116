"""How commands print: tables and lines for people, JSON by the line and ids for programs."""

import functools
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from app.cli import columns, tables
from app.cli.service import Reply
from app.cli.tables import Table

Command = Callable[..., None]
WATCH_S = 2.0
FEW = 20
"""Up to so many jobs are done without a bar."""
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API shows it: an object a line.")
ids_only = click.option("-q", "--quiet", "ids_only", is_flag=True, help="Print ids alone, one a line.")
watched = click.option(
    "--watch", is_flag=True, help=f"Print it again each {WATCH_S:g} s, until Ctrl-C. Needs a terminal, or --json."
)
yes = click.option("--yes", is_flag=True, help="Do it; without this it is only said what would be done.")


def watchable(command: Command) -> Command:
    """Add --watch to a command that has --json."""

    @watched
    @functools.wraps(command)
    def again(*, watch: bool, **given: Any) -> None:
        if not watch:
            command(**given)
            return
        if not sys.stdout.isatty() and not given["as_json"]:
            raise click.UsageError("--watch needs a terminal, or --json")
        with _interruptible() as interrupted:
            while not interrupted:
                click.clear()  # on a terminal alone
                command(**given)
                sys.stdout.flush()
                if not interrupted:
                    time.sleep(WATCH_S)

    return again


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """End the block at Ctrl-C. What it yields is no longer empty then, for a block that goes on nevertheless."""
    interrupted: list[bool] = []
    told = sys.unraisablehook

    def end(*_: object) -> None:
        interrupted.append(True)  # Python drops an exception that is raised while it cleans up an object
        raise KeyboardInterrupt

    def tell(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            told(dropped)

    sys.unraisablehook = tell
    before = signal.signal(signal.SIGINT, end)
    try:
        yield interrupted
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = told


def show(found: Iterable[Reply], *, as_json: bool, ids: Callable[[Reply], str] | None = None) -> bool:
    """Print replies as lines of JSON, or their ids by `ids`; return False, having printed nothing, if neither is it."""
    if not as_json and ids is None:
        return False
    for reply in found:
        print(reply.line if ids is None else exact(ids(reply)))
    return True


def exact(name: str) -> str:
    """Return a name as it is for a program, and without what could control it for a terminal."""
    return columns.printable(name) if sys.stdout.isatty() else name


def note(text: str) -> None:
    """Tell people something beside the output, on standard error."""
    click.echo(columns.printable(text), err=True)


def table(names: Sequence[str], rows: Iterable[Sequence[Any]], title: str) -> None:
    """Print a table."""
    tables.show(Table(columns=[*names], rows=[*rows]), title)


def at(ms: int | None) -> datetime | None:
    """Return a moment of the API."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def moment(ms: int) -> str:
    """Return a moment of the API for a line of text."""
    return f"{at(ms):%Y-%m-%d %H:%M:%S}Z"


@contextmanager
def bar(total: int, about: str, *, is_shown: bool = True) -> Iterator[Callable[..., None]]:
    """Show how far something is on standard error, if that is a terminal; the function takes `completed`."""
    with Progress(console=Console(stderr=True), disable=not (is_shown and sys.stderr.isatty())) as progress:
        task = progress.add_task(about, total=total)
        yield functools.partial(progress.update, task)
