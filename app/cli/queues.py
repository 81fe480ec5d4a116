"""`rowline queues`: lists queues, pauses them, changes their settings, empties them."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import click

from app.cli import columns, names, output, removals, retention, service
from app.cli.lengths import Since
from app.cli.service import Reply, of_queue
from app.cli.values import JsonValue
from app.domain.backoff import LONGEST_MS
from app.domain.queue import DRAIN_WINDOW, REASON_MAX, Tally
from app.domain.retention import Keep
from app.domain.states import Status
from app.domain.terms import keys_fault

RATES = {f"{what}/s": what for what in Tally._fields}
"""The columns of rates, over the minutes that the drain time goes by."""
COLUMNS = [
    *("queue", *(status.value for status in Status), "oldest ready", *RATES, "drain s", "workers"),
    *("paused since", "by", "why", "settings"),
]
UNCHANGED_MS = -1
"""The default of a length of time that is a setting: it stays as it is."""


class Within(Since):
    """A length of time that a queue sets: 30s, 10m, 7d, or unset."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:  # type: ignore[override]
        """Read it, in ms; None for `unset`."""
        if value == "unset" or isinstance(value, int):
            return None if value == "unset" else value
        ms = super().convert(value, param, ctx) // timedelta(milliseconds=1)
        if ms > LONGEST_MS:
            self.fail(f"{value!r} is more than ten years", param, ctx)
        return ms


class Defaults(JsonValue):
    """A JSON object of options, or unset."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate that it is JSON; null for `unset`."""
        return super().convert("null" if value == "unset" else value, param, ctx)


@click.group(invoke_without_command=True)
@click.pass_context
def queues(ctx: click.Context) -> None:
    """List, pause, set, empty queues; without a command: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_all)


@queues.command("list")
@click.option("--pattern", default="*", help="Only these: a name, in which * stands for any characters.")
@output.as_json
@output.ids_only
@output.watchable
def list_all(*, pattern: str = "*", as_json: bool = False, ids_only: bool = False) -> None:
    """List the queues that have jobs or set something, by name; those that the token may read."""
    with service.opened() as api:
        found = [*api.listed("/queues", "queues", pattern=pattern)]
    _print(found, as_json=as_json, ids_only=ids_only)


@queues.command()
@names.queue
@output.as_json
@output.watchable
def show(*, queue: str, as_json: bool) -> None:
    """Show a queue."""
    with service.opened() as api:
        _print([api.get(of_queue(queue))], as_json=as_json)


@queues.command()
@names.queue
@click.option("--reason", help="Why, for those who find it paused.")
@output.as_json
def pause(*, queue: str, reason: str | None, as_json: bool) -> None:
    """Pause a queue: no claim hands out a job of it. Claimed jobs go on. A pause that there is stays as it is."""
    if reason is not None and len(reason) > REASON_MAX:
        raise click.BadParameter(f"must have at most {REASON_MAX} characters", param_hint="--reason")
    body = json.dumps({"reason": reason} if reason else {})
    with service.opened() as api:
        paused = api.send("POST", of_queue(queue, "pause"), body, is_repeatable=True)
    _print([paused], as_json=as_json)
    held = paused.members
    if reason and held["paused"] and held.get("pauseReason") != reason:
        since = f"paused already since {output.moment(held['pausedOn'])} by {held['pausedBy']}"
        click.echo(columns.printable(f"{since}: {held.get('pauseReason', 'without a reason')}"), err=True)
    if left := held.get("claimsInFlight"):
        told = f"{left} transactions that began before the pause have not ended: they may be claims"
        click.echo(f"after some seconds {told}", err=True)


@queues.command()
@names.queue
@output.as_json
def resume(*, queue: str, as_json: bool) -> None:
    """Resume a queue. One that is not paused stays as it is."""
    with service.opened() as api:
        _print([api.send("POST", of_queue(queue, "resume"), is_repeatable=True)], as_json=as_json)


@queues.command("set")
@names.queue
@retention.options
@click.option(
    "--start-within",
    type=Within(),
    default=UNCHANGED_MS,
    show_default=False,
    help="Fail jobs that have not begun so long after they became ready first: 30s, 10m, or unset.",
)
@click.option(
    "--defaults", type=Defaults(), help='The options of jobs added without them, such as {"attempts": 5}; or unset.'
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A path into the data by which jobs are found at once, such as customer.id. Repeat it: these are all.",
)
@click.option("--no-keys", is_flag=True, help="Find jobs by no path at once any more.")
@output.as_json
def change(
    *,
    queue: str,
    start_within: int | None,
    defaults: str | None,
    keys: tuple[str, ...],
    no_keys: bool,
    yes: bool,
    as_json: bool,
    **keeps: Keep | None,
) -> None:
    """Change the settings of a queue that are named."""
    numbers = {} if start_within == UNCHANGED_MS else {"startWithin": json.dumps(start_within)}
    is_enough = bool(numbers or keys or no_keys) or defaults is not None
    wanted = retention.given(keeps, is_enough=is_enough, others=("--start-within", "--defaults", "--key", "--no-keys"))
    if keys and no_keys:
        raise click.UsageError("--key and --no-keys exclude each other")
    if fault := keys_fault([*keys]):
        raise click.BadParameter(fault, param_hint="--key")
    retention.confirm(wanted, whose=repr(queue), yes=yes)
    paths = {"keys": json.dumps(keys)} if keys or no_keys else {}
    body = service.members({**retention.members(wanted), **numbers, **paths, "defaults": defaults})
    with service.opened() as api:
        changed = api.send("PATCH", of_queue(queue), f'{{"settings":{body}}}', is_repeatable=True)
    _print([changed], as_json=as_json)


@queues.command()
@names.queue
@output.as_json
def forget(*, queue: str, as_json: bool) -> None:
    """Forget a queue that has no jobs: its settings, and a pause."""
    with service.opened() as api:
        _print([api.send("DELETE", of_queue(queue), is_repeatable=True)], as_json=as_json)


for command in (removals.drain, removals.clean, removals.obliterate):
    queues.add_command(command)


def _print(found: Iterable[Reply], *, as_json: bool, ids_only: bool = False) -> None:
    ids = (lambda queue: queue.members["name"]) if ids_only else None
    if not output.show(found, as_json=as_json, ids=ids):
        output.table(COLUMNS, [_row(queue.members) for queue in found], "queues")


def _row(queue: dict[str, Any]) -> Any:
    kept = ", ".join(f"{name} {service.compact(value)}" for name, value in queue["settings"].items())
    paused = (output.at(queue.get("pausedOn")), queue.get("pausedBy"), queue.get("pauseReason"))
    rates = queue["rates"][f"{DRAIN_WINDOW}m"]
    drain_s = queue["drainMs"] / 1000 if "drainMs" in queue else None
    counts = (queue["counts"].get(status.value, 0) for status in Status)
    paced = (*(rates[what] for what in RATES.values()), drain_s, queue.get("workers"))
    return (queue["name"], *counts, output.at(queue.get("oldestReadyOn")), *paced, *paused, kept)
