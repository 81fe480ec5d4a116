"""`rowline endpoints`: commands for the endpoints of queues."""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from app.cli import account, columns, names, output, service
from app.cli.service import Reply, of_queue, path
from app.infra import loading

COLUMNS = ["queue", "state", "since", "why", "calls", "limiter", "method", "url"]


class Headers(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A header of the calls, or a file with some: `ps` shows the arguments of a command to everybody."""

    name = "NAME:VALUE|@FILE|-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[tuple[str, str]]:
        """Split it, or the lines of the file."""
        if value != "-" and not value.startswith("@"):
            return [self._split(value, "", param, ctx)]
        try:
            text = sys.stdin.read() if value in {"-", "@-"} else Path(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self.fail(columns.printable(f"{value} cannot be read: {why}"), param, ctx)
        lines = [(nth, line) for nth, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [self._split(line, f"line {nth} of {value} ", param, ctx) for nth, line in lines]

    def _split(
        self, line: str, where: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split a header. The error repeats nothing of it: it may be a secret."""
        name, colon, text = line.partition(":")
        if not colon or not name.strip():
            self.fail(columns.printable(f"{where}must look like X-Team: mail"), param, ctx)
        return name.strip(), text.strip()


class Limiter(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """At most so many calls in so many ms."""

    name = "CALLS/MS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """Split it."""
        calls, slash, ms = value.partition("/")
        if not slash or not (calls + ms).isascii() or not calls.isdigit() or not ms.isdigit():
            self.fail(f"{value!r} does not look like 100/1000, a hundred calls each second", param, ctx)
        return {"max": int(calls), "duration": int(ms)}


@click.group()
def endpoints() -> None:
    """Manage the endpoints of queues (webhooks): where dispatchers send their jobs."""


@endpoints.command("list")
@click.option("--pattern", default="*", show_default=True, help="Of queues with such a name; `*`: any characters.")
@output.as_json
@output.ids_only
@output.watchable
def list_all(*, pattern: str, as_json: bool, ids_only: bool) -> None:
    """List the endpoints that the token may manage, by queue: which are off, since when and why."""
    with service.opened() as api:
        found = [*api.listed("/endpoints", "endpoints", pattern=pattern)]
    _print(found, as_json=as_json, ids_only=ids_only)


@endpoints.command()
@names.queue
@output.as_json
@output.watchable
def show(*, queue: str, as_json: bool) -> None:
    """Show the endpoint of a queue: whether it is off, since when and why."""
    with service.opened() as api:
        _print([api.get(of_queue(queue, "endpoint"))], as_json=as_json)


@endpoints.command("switch-on")
@names.queue
@output.as_json
def switch_on(*, queue: str, as_json: bool) -> None:
    """Switch the endpoint of a queue on that was switched off. One that is on stays as it is."""
    with service.opened() as api:
        _print([api.send("POST", of_queue(queue, "endpoint", "switch-on"))], as_json=as_json)


@endpoints.command()
@names.queue
@click.argument("url")
@click.option("--method", type=click.Choice(["POST", "PUT", "PATCH"]), default="POST", show_default=True)
@click.option(
    "--header",
    "headers",
    type=Headers(),
    multiple=True,
    help="A header of the calls; may be repeated. @FILE, or - for standard input: one a line, for secrets.",
)
@click.option("--timeout", type=int, metavar="MS", help="The longest a call may take.")
@click.option("--concurrency", type=int, help="Calls at a time.")
@click.option("--limiter", type=Limiter(), help="At most so many calls in so many ms: 100/1000.")
@click.option("--max-stalled", "maxStalledCount", type=int, help="Calls that may be lost before a job fails.")
def register(
    *, queue: str, url: str, method: str, headers: tuple[list[tuple[str, str]], ...], timeout: int | None, **opts: Any
) -> None:
    """Register the endpoint of a queue, or replace it; one that was switched off is on again.

    Prints the secret that signs its calls, if the service made one, alone to standard output: it is not shown again.
    """
    target = {"url": url, "method": method, "headers": dict(itertools.chain(*headers)) or None, "timeout": timeout}
    endpoint = {name: value for name, value in target.items() if value is not None}
    given = {name: value for name, value in opts.items() if value is not None}
    body = json.dumps({"queue": queue, "endpoint": endpoint, "opts": given})
    with service.opened() as api:
        done = api.send("POST", "/workers", body)
    click.echo(f"{queue}: its jobs are sent to the endpoint", err=True)
    if secret := done.headers.get("Rowline-Webhook-Secret"):
        click.echo("The secret of its signatures, which is not shown again:", err=True)
        print(output.exact(secret))


@endpoints.command()
@names.queue
def remove(*, queue: str) -> None:
    """Remove the endpoint of a queue. Its jobs stay, and calls that run end."""
    with service.opened() as api:
        api.send("DELETE", path("workers", queue))
    click.echo(f"{queue}: its jobs are sent nowhere any more", err=True)


@endpoints.command()
def reencrypt() -> None:
    """Rotate the encryption key, on the database. Secrets are encrypted with the first of ROWLINE_SECRET_KEYS.

    Exit code 1 on errors.
    """
    with loading.uncollected():
        from app.cli import reencrypting  # noqa: PLC0415 - the others need no database

    done, left = reencrypting.reencrypt(os.environ, account.actor())
    print("\n".join([f"{done} endpoints encrypted with the first key", *left]))
    sys.exit(1 if left else 0)


def _print(found: list[Reply], *, as_json: bool, ids_only: bool = False) -> None:
    if not output.show(found, as_json=as_json, ids=(lambda one: one.members["queue"]) if ids_only else None):
        output.table(COLUMNS, [_row(one.members) for one in found], "endpoints")


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    if not one["isOn"]:
        stands = ("off", output.at(one["switchedOffOn"]), one["switchedOffReason"])
    elif "pausedUntil" in one:
        stands = ("paused", None, f"it asked for no calls until {output.moment(one['pausedUntil'])}")
    else:
        stands = ("on", output.at(one["registeredOn"]), None)
    limiter = f"{one['limiter']['max']}/{one['limiter']['duration']}" if "limiter" in one else None
    return (one["queue"], *stands, one["concurrency"], limiter, one["method"], one["url"])
