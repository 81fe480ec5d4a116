"""Options of commands that say which jobs are meant."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click

from app.cli.lengths import Since
from app.domain import fingerprint
from app.domain.jobfilter import SECONDS_MAX, path_fault, text_fault
from app.domain.states import Status

Command = Callable[..., None]
_TWICE = "may be repeated"


class Moment(Since):
    """A time: how long ago that was, or its date, of this machine's time zone if it has none."""

    name = "TIME"
    wanted = "a time such as 24h, 2026-11-27 or 2026-11-27T08:00:00Z"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the date, or the length of time."""
        try:
            at = datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            return super().convert(value, param, ctx)
        if at.timestamp() * 1000 < SECONDS_MAX:
            self.fail(f"{value!r} is before 1974", param, ctx)
        return at


class Wanted(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A text to look for."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate the text."""
        if fault := text_fault(value):
            self.fail(fault, param, ctx)
        return str(value)


class Fingerprint(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """The fingerprint of failures."""

    name = "FINGERPRINT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate it."""
        if fault := fingerprint.fault(value):
            self.fail(fault, param, ctx)
        return str(value)


class AtPath(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A path into the data, and the value there."""

    name = "PATH=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split and validate it."""
        path, equals, sought = value.partition("=")
        if not equals:
            self.fail("must look like customer.id=42", param, ctx)
        if fault := path_fault(path) or (text_fault(sought) if sought else None):
            self.fail(fault, param, ctx)
        return path, sought


_OPTIONS = (
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice([status.value for status in Status]),
        help=f"In this status; {_TWICE}: in one.",
    ),
    click.option("--name", type=Wanted(), help="Of this name."),
    click.option("--tag", multiple=True, type=Wanted(), help=f"With this tag; {_TWICE}: with all."),
    click.option("--error", type=Wanted(), help="Whose failure contains this text."),
    click.option("--fingerprint", type=Fingerprint(), help="Whose failure has this fingerprint: `rowline failures`."),
    click.option("--data", multiple=True, type=AtPath(), help=f"With this value there: customer.id=42; {_TWICE}."),
    click.option("--worker", type=Wanted(), help="Begun by this worker."),
    click.option("--since", type=Moment(), help="Added then or later: 30m, 24h, 7d ago, or 2026-11-27T08:00:00Z."),
    click.option("--until", type=Moment(), help="Added before then."),
    click.option("--finished-since", "finishedSince", type=Moment(), help="Ended then or later."),
    click.option("--finished-until", "finishedUntil", type=Moment(), help="Ended before then."),
)
"""The options, with the names of the API."""


def options(command: Command) -> Command:
    """Add the options of a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def members(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the filter of the options that were given, as in the API."""
    given = {name: _plain(value) for name, value in asked.items() if value not in (None, ())}
    if "data" not in given:
        return given
    paths = [path for path, _ in given["data"]]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise click.UsageError(f"--data names {twice} twice")
    return given | {"data": dict(given["data"])}


def query(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the same as the query of a request."""
    given = members(asked)
    paths = given.pop("data", {})
    statuses = given.pop("statuses", None)
    found = given | {f"data.{path}": value for path, value in paths.items()}
    return found if statuses is None else found | {"statuses": ",".join(statuses)}


def _plain(value: Any) -> Any:
    """Return a time in ms; a length of time is the moment so long ago, by the clock of this machine."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, timedelta):
        ago = int(time.time() * 1000) - value // timedelta(milliseconds=1)
        return ago if ago >= SECONDS_MAX else 0
    return [*value] if isinstance(value, tuple) else value
