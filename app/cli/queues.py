"""`rowline queues`: lists queues, pauses them, changes their settings, empties them, on the database itself."""

import math
import shlex
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import click
import orjson

from app.cli import account, background, columns, direct, names, retention, tables, terminal
from app.cli.report import Since
from app.cli.values import JsonValue
from app.domain import removal
from app.domain.backoff import LONGEST_MS
from app.domain.plan import Plan, PlanAction, PlanStatus
from app.domain.queue import DRAIN_WINDOW, REASON_MAX, Queue, Tally
from app.domain.removal import CLEANABLE, GRACE_MAX_MS, MOST_MAX, Removal
from app.domain.retention import Keep
from app.domain.states import Status
from app.domain.terms import keys_fault
from app.operations import queues as operations
from app.operations import removal as removals
from app.operations import settings
from app.postgres.database import Database
from app.queries import queues as queries
from app.queries.reports import Found
from app.web.plans import schemas as plans
from app.web.queues import schemas
from app.wire import queue as wire

NAME = "rowline-queues"
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


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def queues() -> None:
    """List, pause, set, empty queues. They are in the database: DATABASE_URL, or the embedded one of `rowline run`."""


@queues.command("list")
@click.option("--pattern", default="*", help="Only these: a name, in which * stands for any characters.")
@_as_json
def list_all(*, pattern: str, as_json: bool) -> None:
    """List the queues that have jobs or set something, by name."""

    def page(db: Database, start: int) -> tuple[int, list[Queue]]:
        return queries.page(db, pattern=pattern, start=start, length=direct.LISTED)

    _print(direct.told(lambda db: direct.listed(partial(page, db)), name=NAME), as_json=as_json)


@queues.command()
@names.queue
@_as_json
def show(*, queue: str, as_json: bool) -> None:
    """Show a queue."""
    found = direct.told(lambda db: queries.find(db, queue=queue), name=NAME)
    _print(found, as_json=as_json)


@queues.command()
@names.queue
@click.option("--reason", help="Why, for those who find it paused.")
@_as_json
def pause(*, queue: str, reason: str | None, as_json: bool) -> None:
    """Pause a queue: no claim hands out a job of it. Claimed jobs go on. A pause that there is stays as it is."""
    if reason is not None and len(reason) > REASON_MAX:
        raise click.BadParameter(f"must have at most {REASON_MAX} characters", param_hint="--reason")
    paused = direct.told(
        lambda db: operations.pause(db, actor=account.actor(), queue=queue, reason=reason or None),
        name=NAME,
    )
    _print(paused.queue, as_json=as_json)
    held = paused.queue.pause
    if held and reason and held.reason != reason:
        since = f"paused already since {held.at:%Y-%m-%d %H:%M:%S%z} by {held.by}"
        click.echo(columns.printable(f"{since}: {held.reason or 'without a reason'}"), err=True)
    if paused.claims_in_flight:
        left = f"{paused.claims_in_flight} transactions that began before the pause have not ended: they may be claims"
        click.echo(f"after {operations.BARRIER_S:g} s {left}", err=True)


@queues.command()
@names.queue
@_as_json
def resume(*, queue: str, as_json: bool) -> None:
    """Resume a queue. One that is not paused stays as it is."""
    found = direct.told(lambda db: operations.resume(db, actor=account.actor(), queue=queue), name=NAME)
    _print(found, as_json=as_json)


class Defaults(JsonValue):
    """A JSON object of options, or unset."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate that it is JSON; null for `unset`."""
        return super().convert("null" if value == "unset" else value, param, ctx)


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
@_as_json
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
    numbers = {} if start_within == UNCHANGED_MS else {"start_within_ms": start_within}
    is_enough = bool(numbers or keys or no_keys) or defaults is not None
    wanted = retention.given(keeps, is_enough=is_enough, others=("--start-within", "--defaults", "--key", "--no-keys"))
    if keys and no_keys:
        raise click.UsageError("--key and --no-keys exclude each other")
    if fault := keys_fault([*keys]):
        raise click.BadParameter(fault, param_hint="--key")
    paths = [*keys] if keys or no_keys else None
    retention.confirm(wanted, whose=repr(queue), yes=yes)
    actor = account.actor()

    def act(db: Database) -> Queue:
        """Read the defaults as the API reads them, with the same limits and faults."""
        read = None if defaults is None else schemas.load_defaults(defaults)
        return settings.change_queue(
            db, actor=actor, queue=queue, keeps=wanted, numbers=numbers, wanted=read, keys=paths
        )

    _print(direct.told(act, name=NAME), as_json=as_json)


@queues.command()
@names.queue
@_as_json
def forget(*, queue: str, as_json: bool) -> None:
    """Forget a queue that has no jobs: its settings, and a pause."""
    found = direct.told(lambda db: settings.forget_queue(db, actor=account.actor(), queue=queue), name=NAME)
    _print(found, as_json=as_json)


@queues.command()
@names.queue
@click.option("--delayed", is_flag=True, help="Remove delayed jobs too.")
@_as_json
def drain(*, queue: str, delayed: bool, as_json: bool) -> None:
    """Remove the waiting and prioritized jobs; never active ones. They can come back, within a day."""
    _remove(removals.remove, queue, removal.drain(delayed=delayed), as_json=as_json)


@queues.command()
@names.queue
@click.option("--status", type=click.Choice([status.value for status in CLEANABLE]), required=True, help="Which jobs.")
@click.option(
    "--grace", type=Since(), default=timedelta(), show_default=False, help="Ended, or added, so long ago: 90s, 7d."
)
@click.option("--limit", type=click.IntRange(0, MOST_MAX), default=0, help="So many at most, the first added; 0: all.")
@_as_json
def clean(*, queue: str, status: str, grace: timedelta, limit: int, as_json: bool) -> None:
    """Remove the jobs in one status that ended, or were added if they have not, long enough ago. They can come back."""
    grace_ms = grace // timedelta(milliseconds=1)
    if grace_ms > GRACE_MAX_MS:
        raise click.BadParameter("must be at most ten years", param_hint="--grace")
    asked = removal.clean(status=Status(status), grace_ms=grace_ms, limit=limit)
    _remove(removals.remove, queue, asked, as_json=as_json)


@queues.command()
@names.queue
@click.option("--force", is_flag=True, help="Remove active jobs too: their workers lose the lease.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_as_json
def obliterate(*, queue: str, force: bool, yes: bool, as_json: bool) -> None:
    """Pause a queue, remove all its jobs, then its settings and the pause. There is no undo.

    While jobs are active it is refused, and the queue stays paused.
    """
    if not yes:
        found = direct.told(lambda db: queries.find(db, queue=queue), name=NAME)
        jobs = f"{sum(found.counts.values()):,} jobs of {queue!r}"
        terminal.confirm(f"Remove all {jobs}, and its settings? There is no undo.", instead="--yes")
    _remove(removals.obliterate, queue, removal.obliterate(force=force), as_json=as_json)


def _remove(verb: Callable[..., Plan], queue: str, asked: Removal, *, as_json: bool) -> None:
    """Remove jobs until all are removed; print how many they were."""
    actor = account.actor()

    def act(db: Database) -> Plan:
        plan = verb(db, actor=actor, queue=queue, asked=asked, limit_s=0)
        with background.told(plan):
            return removals.go_on(db, plan, limit_s=math.inf)

    done = direct.told(act, name=NAME)
    if as_json:
        print(orjson.dumps(plans.dump(done, sees_payload=True), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(f"{done.done} jobs removed")
    if done.action is PlanAction.REMOVE and done.done:
        click.echo(f"Bring them back, within a day: rowline plans undo {shlex.quote(queue)} {done.id}", err=True)
    if done.status is not PlanStatus.APPLIED:
        raise click.ClickException(
            f"the plan {done.id} is {done.status}: {done.reason or 'the service goes on with it'}"
        )


def _print(found: Queue | list[Queue], *, as_json: bool) -> None:
    if as_json:
        members = [wire.dump(queue) for queue in found] if isinstance(found, list) else wire.dump(found)
        print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
        return
    rows = [_row(queue) for queue in (found if isinstance(found, list) else [found])]
    tables.show(Found(columns=COLUMNS, rows=rows), "queues")


def _row(queue: Queue) -> Any:
    pause = queue.pause
    kept = ", ".join(f"{name} {orjson.dumps(value).decode()}" for name, value in wire.settings(queue).items())
    paused = (pause.at, pause.by, pause.reason) if pause else (None, None, None)
    rates = wire.rate(queue.recent[DRAIN_WINDOW], DRAIN_WINDOW)
    drain_s = None if queue.drain_ms is None else queue.drain_ms / 1000
    counts = (queue.counts[status] for status in Status)
    paced = (*(rates[what] for what in RATES.values()), drain_s, queue.workers)
    return (queue.name, *counts, queue.oldest_ready_at, *paced, *paused, kept)
