"""`rowline plans`: what is done to many jobs at once, looked at first; on the database itself."""

import json
import shlex
import sys
import time
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from app.cli import account, background, columns, direct, filters, names, tables, terminal
from app.cli.values import JsonValue
from app.domain.plan import ASKED, RATE_MAX, RUNNING, Plan, PlanStatus
from app.operations import plans as operations
from app.postgres.database import Database
from app.queries import jobplans
from app.queries.reports import Found
from app.web.plans import schemas
from app.wire.job import JobSchema

NAME = "rowline-plans"
LOOK_S = 0.2
COLUMNS = ["id", "action", "status", "matched", "done", "skipped", "undone", "rate/s", "created", "by", "filter"]
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_plan_id = click.argument("plan_id", metavar="ID")
_wait = click.option("--wait", is_flag=True, help="Wait for the end, and show how far it is.")


@click.group()
def plans() -> None:
    """Remove, retry, promote, cancel, change many jobs: look at them first, then apply. A removal can be undone."""


@plans.command()
@names.queue
@click.argument("action", type=click.Choice([action.value for action in ASKED]))
@click.option("--id", "ids", multiple=True, help="With this id; may be repeated: with one.")
@filters.options
@click.option("--change", type=JsonValue(), help='What is changed, with the action change: {"priority": 3}.')
@_as_json
def make(*, queue: str, action: str, change: str | None, as_json: bool, **asked: Any) -> None:
    """Plan what to do with all jobs that match. Prints how many they are, and the first ten. Changes no job."""
    body = json.dumps({"action": action, "filter": filters.members(asked)})
    if change:
        body = f'{body[:-1]}, "change": {change}}}'
    actor = account.actor()

    def act(db: Database) -> Plan:
        new = schemas.load(body.encode())
        plan = operations.create(db, actor=actor, queue=queue, **new._asdict())
        while plan.status is PlanStatus.PLANNING:
            if (done := operations.step(db, queue=queue, plan_id=plan.id)) is None:
                time.sleep(LOOK_S)  # another process makes a step
            plan = done or jobplans.find(db, queue=queue, plan_id=plan.id)
        return plan

    _show(queue, act, as_json=as_json)


@plans.command("list")
@names.queue
@_as_json
def list_all(*, queue: str, as_json: bool) -> None:
    """List plans, the newest first: those that are not finished, and those of the last day."""
    found = direct.told(lambda db: jobplans.page(db, queue=queue, start=0, length=direct.LISTED), name=NAME)
    if as_json:
        _print_json([schemas.dump(plan, sees_payload=True) for plan in found])
    else:
        tables.show(Found(columns=COLUMNS, rows=[*map(_row, found)]), "plans")


@plans.command()
@names.queue
@_plan_id
@_wait
@_as_json
def show(*, queue: str, plan_id: str, wait: bool, as_json: bool) -> None:
    """Show a plan, and the first ten jobs of one that is planned."""
    _show(queue, lambda db: _watched(db, _found(db, queue, plan_id), wait=wait), as_json=as_json)


@plans.command("wait")
@names.queue
@_plan_id
@_as_json
def wait_for(*, queue: str, plan_id: str, as_json: bool) -> None:
    """Wait for the end of a plan that goes on, and show how far it is, as `apply --wait` does."""
    _show(queue, lambda db: _watched(db, _found(db, queue, plan_id), wait=True), as_json=as_json)


@plans.command()
@names.queue
@_plan_id
@click.option("--matched", type=int, help="The number of jobs that the plan showed; without it you are asked.")
@click.option("--rate", type=click.FloatRange(0.001, RATE_MAX), help="So many jobs a second at most.")
@_wait
@_as_json
def apply(*, queue: str, plan_id: str, matched: int | None, rate: float | None, wait: bool, as_json: bool) -> None:
    """Apply a plan. The service does it, in the background."""
    actor = account.actor()

    def act(db: Database) -> Plan:
        plan, number = _found(db, queue, plan_id), matched
        if number is None and plan.status is PlanStatus.PLANNED:
            terminal.confirm(
                f"{plan.action.capitalize()} {plan.matched} jobs of {queue!r}?", instead=f"--matched {plan.matched}"
            )
        number = plan.matched if number is None else number
        plan = operations.apply(db, actor=actor, queue=queue, plan_id=plan.id, matched=number, rate_per_s=rate)
        return _watched(db, plan, wait=wait)

    _show(queue, act, as_json=as_json)


@plans.command()
@names.queue
@_plan_id
@_as_json
def stop(*, queue: str, plan_id: str, as_json: bool) -> None:
    """Stop a plan that has not ended: from now on it changes no job."""
    actor = account.actor()

    def act(db: Database) -> Plan:
        return operations.stop(db, actor=actor, queue=queue, plan_id=_found(db, queue, plan_id).id)

    _show(queue, act, as_json=as_json)


@plans.command()
@names.queue
@_plan_id
@_wait
@_as_json
def undo(*, queue: str, plan_id: str, wait: bool, as_json: bool) -> None:
    """Undo a removal: the jobs come back as they were, within a day. The service does it, in the background."""
    actor = account.actor()

    def act(db: Database) -> Plan:
        plan = operations.undo(db, actor=actor, queue=queue, plan_id=_found(db, queue, plan_id).id)
        return _watched(db, plan, wait=wait)

    _show(queue, act, as_json=as_json)


def _found(db: Database, queue: str, plan_id: str) -> Plan:
    return jobplans.find(db, queue=queue, plan_id=plan_id)


def _watched(db: Database, plan: Plan, *, wait: bool) -> Plan:
    """Wait for the end of a plan that goes on, with a bar on a terminal."""
    if not wait:
        return plan
    with background.told(plan), Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(plan.action, total=plan.matched)
        while plan.status in RUNNING:
            time.sleep(LOOK_S)
            plan = jobplans.find(db, queue=plan.queue, plan_id=plan.id)
            bar.update(task, completed=_passed(plan), description=plan.status)
    return plan


def _passed(plan: Plan) -> int:
    if plan.status is PlanStatus.UNDOING:
        return plan.undone + plan.not_undone
    return plan.done + sum(plan.skipped.values())


def _show(queue: str, act: Any, *, as_json: bool) -> None:
    def read(db: Database) -> tuple[Plan, Any]:
        plan = act(db)
        return plan, jobplans.sample(db, plan)

    plan, sample = direct.told(read, name=NAME)
    if as_json:
        shown = JobSchema(queue_prefix="bull").members_for(sees_payload=True)
        _print_json(schemas.dump(plan, sees_payload=True, sample=sample, shown=shown))
        return
    tables.show(Found(columns=COLUMNS, rows=[_row(plan)]), "plan")
    for job in sample or ():
        click.echo(columns.line([job.id, job.status, job.name, job.failed_reason]))
    if plan.status is PlanStatus.PLANNED:
        click.echo(f"No job is changed yet. Apply it: rowline plans apply {shlex.quote(queue)} {plan.id}", err=True)


def _row(plan: Plan) -> tuple[Any, ...]:
    skipped = ", ".join(f"{number} {why}" for why, number in plan.skipped.items())
    numbers = (plan.matched, plan.done, skipped, plan.undone, plan.rate_per_s)
    wanted = orjson.dumps(plan.wanted.json).decode()
    change = schemas.dump(plan, sees_payload=True).get("change")
    limit = f"limit {plan.most}" if plan.most else ""
    action = " ".join(filter(None, [plan.action, change and orjson.dumps(change).decode(), limit]))
    return (plan.id, action, plan.status, *numbers, plan.created_at, plan.created_by, wanted)


def _print_json(members: Any) -> None:
    print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
