"""`rowline plans`: what is done to many jobs at once, looked at first."""

import json
import shlex
import time
from typing import Any

import click

from app.cli import background, columns, filters, jobverbs, names, output, service, terminal
from app.cli.service import Reply, Service, of_queue
from app.cli.values import JsonValue
from app.domain.plan import ASKED, RATE_MAX, RUNNING, PlanStatus

LOOK_S, LONGEST_LOOK_S = 0.1, 1.0
COLUMNS = ["id", "action", "status", "matched", "done", "skipped", "undone", "rate/s", "created", "by", "filter"]
_STAY = {
    "remove": "their ids are taken",
    "retry": "they have begun, or were promoted, cancelled, retried or removed by hand",
}
_LEFT = {"remove": "Jobs that have the ids now:", "retry": "Jobs that are not as they were:"}
_plan_id = click.argument("plan_id", metavar="ID")
_rate = click.option("--rate", type=click.FloatRange(0.001, RATE_MAX), help="So many jobs a second at most.")
_wait = click.option("--wait", is_flag=True, help="Wait for the end, and show how far it is.")


@click.group()
def plans() -> None:
    """Remove, retry, promote, cancel, change many jobs: look first, then apply. Removals and retries can be undone."""


@plans.command()
@names.queue
@click.argument("action", type=click.Choice([action.value for action in ASKED]))
@click.option("--id", "ids", multiple=True, help="With this id; may be repeated: with one. -: those of standard input.")
@filters.options
@click.option("--change", type=JsonValue(), help='What is changed, with the action change: {"priority": 3}.')
@output.yes
@_rate
@_wait
@output.as_json
def make(
    *,
    queue: str,
    action: str,
    change: str | None,
    yes: bool,
    rate: float | None,
    wait: bool,
    as_json: bool,
    ids: tuple[str, ...],
    **asked: Any,
) -> None:
    """Plan what to do with all jobs that match. Prints how many they are, and the first ten. Changes no job.

    With --yes the plan is applied at once.
    """
    wanted = filters.members(asked | {"ids": tuple(names.given(ids))})
    body = service.members({"action": json.dumps(action), "filter": json.dumps(wanted), "change": change})
    with service.opened() as api:
        found = _planned(api, queue, api.send("POST", of_queue(queue, "plans"), body))
        if yes:
            found = _applied(api, queue, found, found.members["matched"], rate)
            found = watched(api, queue, found) if wait else found
    _print(queue, found, as_json=as_json)


@plans.command("list")
@names.optional_queue
@output.as_json
@output.ids_only
@output.watchable
def list_all(*, queue: str | None, as_json: bool, ids_only: bool) -> None:
    """List plans, the newest first: those that are not finished, and those of the last day.

    Without QUEUE those of all queues, first those that go on.
    """
    with service.opened() as api:
        found = [*api.listed("/plans" if queue is None else of_queue(queue, "plans"), "plans")]
    ids = (lambda plan: plan.members["id"]) if ids_only else None
    if output.show(found, as_json=as_json, ids=ids):
        return
    if queue is None:
        rows = [(plan.members["queue"], *_row(plan.members)) for plan in found]
        output.table(["queue", *COLUMNS], rows, "plans")
    else:
        output.table(COLUMNS, [_row(plan.members) for plan in found], "plans")


@plans.command()
@names.queue
@_plan_id
@_wait
@output.as_json
@output.watchable
def show(*, queue: str, plan_id: str, wait: bool, as_json: bool) -> None:
    """Show a plan; the first ten jobs of one that is planned; or jobs that the undo of one has left."""
    with service.opened() as api:
        found = _found(api, queue, plan_id)
        _print(queue, watched(api, queue, found) if wait else found, as_json=as_json)


@plans.command("wait")
@names.queue
@_plan_id
@output.as_json
def wait_for(*, queue: str, plan_id: str, as_json: bool) -> None:
    """Wait for the end of a plan that goes on, and show how far it is, as `apply --wait` does."""
    with service.opened() as api:
        _print(queue, watched(api, queue, _found(api, queue, plan_id)), as_json=as_json)


@plans.command()
@names.queue
@_plan_id
@click.option("--matched", type=int, help="The number of jobs that the plan showed; without it you are asked.")
@click.option("--yes", is_flag=True, help="Apply it to as many jobs as it means, unasked.")
@_rate
@_wait
@output.as_json
def apply(
    *, queue: str, plan_id: str, matched: int | None, yes: bool, rate: float | None, wait: bool, as_json: bool
) -> None:
    """Apply a plan. The service does it, in the background."""
    with service.opened() as api:
        plan = _found(api, queue, plan_id)
        means = plan.members["matched"]
        if matched is None and not yes and plan.members["status"] == PlanStatus.PLANNED:
            question = f"{plan.members['action'].capitalize()} {means} jobs of {queue!r}?"
            terminal.confirm(question, instead=f"--matched {means}")
        found = _applied(api, queue, plan, means if matched is None else matched, rate)
        _print(queue, watched(api, queue, found) if wait else found, as_json=as_json)


@plans.command()
@names.queue
@_plan_id
@output.as_json
def stop(*, queue: str, plan_id: str, as_json: bool) -> None:
    """Stop a plan that has not ended: from now on it changes no job."""
    with service.opened() as api:
        _print(queue, api.send("POST", of_queue(queue, "plans", plan_id, "stop")), as_json=as_json)


@plans.command()
@names.queue
@_plan_id
@_wait
@output.as_json
def undo(*, queue: str, plan_id: str, wait: bool, as_json: bool) -> None:
    """Undo a removal or a retry, within a day: put the jobs back as they were. The service does it, in the background.

    Retried jobs that have begun since, or were promoted, cancelled, retried or removed by hand, stay as they are.
    """
    with service.opened() as api:
        found = api.send("POST", of_queue(queue, "plans", plan_id, "undo"))
        _print(queue, watched(api, queue, found) if wait else found, as_json=as_json)


def watched(api: Service, queue: str, plan: Reply, *, goes_on: bool = False) -> Reply:
    """Wait for the end of a plan that goes on, with a bar on a terminal.

    `goes_on`: have it go on where no service may be there to do it.
    """
    begun = plan.members
    with (
        background.told(queue, begun["id"]),
        output.bar(begun["matched"], begun["action"], is_shown=begun["status"] in RUNNING) as bar,
    ):
        pause_s = LOOK_S
        while plan.members["status"] in RUNNING:
            if not (goes_on and api.plan_step(queue, begun["id"])):
                time.sleep(pause_s)
                pause_s = min(LONGEST_LOOK_S, pause_s * 1.5)
            plan = _found(api, queue, begun["id"])
            bar(completed=_passed(plan.members), description=plan.members["status"])
    return plan


def _planned(api: Service, queue: str, plan: Reply) -> Reply:
    """Wait until it is known which jobs a plan means."""
    with background.told(queue, plan.members["id"]):
        while plan.members["status"] == PlanStatus.PLANNING:
            if not api.plan_step(queue, plan.members["id"]):
                time.sleep(LOOK_S)
            plan = _found(api, queue, plan.members["id"])
    return plan


def _found(api: Service, queue: str, plan_id: str) -> Reply:
    return api.get(of_queue(queue, "plans", plan_id))


def _applied(api: Service, queue: str, plan: Reply, matched: int, rate: float | None) -> Reply:
    body = json.dumps({"matched": matched} | ({} if rate is None else {"ratePerS": rate}))
    return api.send("POST", of_queue(queue, "plans", plan.members["id"], "apply"), body)


def _passed(plan: dict[str, Any]) -> int:
    if plan["status"] == PlanStatus.UNDOING:
        return int(plan.get("undone", 0) + plan.get("notUndone", 0))
    return int(plan["done"] + sum(plan["skipped"].values()))


def _print(queue: str, plan: Reply, *, as_json: bool) -> None:
    if output.show([plan], as_json=as_json):
        return
    members = plan.members
    output.table(COLUMNS, [_row(members)], "plan")
    if members["status"] == PlanStatus.UNDONE and members.get("sample"):
        click.echo(_LEFT[members["action"]], err=True)
    for job in members.get("sample", ()):
        click.echo(columns.line([job["id"], job["status"], job["name"], jobverbs.reason(job)]))
    if members["status"] == PlanStatus.UNDONE and members.get("notUndone"):
        output.note(f"Not undone: {members['notUndone']}, since {_STAY[members['action']]}")
    if members["status"] == PlanStatus.PLANNED:
        where = f"{shlex.quote(queue)} {members['id']}"
        output.note(f"No job is changed yet. Apply it: rowline plans apply {where}")


def _row(plan: dict[str, Any]) -> tuple[Any, ...]:
    skipped = ", ".join(f"{number} {why}" for why, number in plan["skipped"].items())
    numbers = (plan["matched"], plan["done"], skipped, plan.get("undone", 0), plan.get("ratePerS"))
    limit = f"limit {plan['limit']}" if plan.get("limit") else ""
    change = service.compact(plan["change"]) if plan.get("change") else ""
    action = " ".join(filter(None, [plan["action"], change, limit]))
    made = (output.at(plan["createdOn"]), plan["createdBy"], service.compact(plan["filter"]))
    return (plan["id"], action, plan["status"], *numbers, *made)
