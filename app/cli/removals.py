"""`rowline queues drain`, `clean` and `obliterate`: remove many jobs of a queue."""

import json
import shlex
from datetime import timedelta

import click
from rowline.wholequeue import LONGEST_REMOVAL_S

from app.cli import background, columns, names, output, plans, service, terminal
from app.cli.exits import Code, Ended
from app.cli.lengths import Since
from app.cli.service import Service, of_queue
from app.domain.plan import PlanAction, PlanStatus
from app.domain.removal import CLEANABLE, GRACE_MAX_MS, MOST_MAX
from app.domain.states import Status


@click.command()
@names.queue
@click.option("--delayed", is_flag=True, help="Remove delayed jobs too.")
@output.yes
@output.as_json
def drain(*, queue: str, delayed: bool, yes: bool, as_json: bool) -> None:
    """Remove the waiting and prioritized jobs; never active ones. They can come back, within a day."""
    statuses = [Status.WAITING, Status.PRIORITIZED, *([Status.DELAYED] if delayed else [])]
    with service.opened() as api:
        if yes:
            _remove(api, "drain", queue, {"delayed": delayed}, as_json=as_json)
        else:
            which = " and ".join([", ".join(statuses[:-1]), statuses[-1]])
            _say(_count(api, queue, statuses), which, queue, as_json=as_json)


@click.command()
@names.queue
@click.option("--status", type=click.Choice([status.value for status in CLEANABLE]), required=True, help="Which jobs.")
@click.option(
    "--grace", type=Since(), default=timedelta(), show_default=False, help="Ended, or added, so long ago: 90s, 7d."
)
@click.option("--limit", type=click.IntRange(0, MOST_MAX), default=0, help="So many at most, the first added; 0: all.")
@output.yes
@output.as_json
def clean(*, queue: str, status: str, grace: timedelta, limit: int, yes: bool, as_json: bool) -> None:
    """Remove the jobs in one status that ended, or were added if they have not, long enough ago. They can come back."""
    grace_ms = grace // timedelta(milliseconds=1)
    if grace_ms > GRACE_MAX_MS:
        raise click.BadParameter("must be at most ten years", param_hint="--grace")
    with service.opened() as api:
        if yes:
            _remove(api, "clean", queue, {"status": status, "grace": grace_ms, "limit": limit}, as_json=as_json)
            return
        number = _count(api, queue, [Status(status)])
        is_bounded = 0 < limit < number
        is_at_most = is_bounded or grace_ms > 0
        _say(limit if is_bounded else number, status, queue, is_at_most=is_at_most, as_json=as_json)


@click.command()
@names.queue
@click.option("--force", is_flag=True, help="Remove active jobs too: their workers lose the lease.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.as_json
def obliterate(*, queue: str, force: bool, yes: bool, as_json: bool) -> None:
    """Pause a queue, remove all its jobs, then its settings and the pause. There is no undo.

    While jobs are active it is refused, and the queue stays paused.
    """
    with service.opened() as api:
        if not yes:
            jobs = f"{_count(api, queue, [*Status]):,} jobs of {queue!r}"
            terminal.confirm(f"Remove all {jobs}, and its settings? There is no undo.", instead="--yes")
        _remove(api, "obliterate", queue, {"force": force}, as_json=as_json)


def _count(api: Service, queue: str, statuses: list[Status]) -> int:
    counts = api.get(of_queue(queue)).members["counts"]
    return sum(counts.get(status.value, 0) for status in statuses)


def _say(number: int, which: str, queue: str, *, as_json: bool, is_at_most: bool = False) -> None:
    if as_json:
        print(json.dumps({"queue": queue, "matched": number, "isExact": not is_at_most, "done": 0}))
        return
    most = "at most " if is_at_most else ""
    click.echo(f"{most}{number:,} {which} jobs of {queue!r} would be removed. Nothing is changed: give --yes")


def _remove(api: Service, verb: str, queue: str, body: dict[str, object], *, as_json: bool) -> None:
    """Remove jobs until all are removed; print how many they were."""
    with background.told(queue):
        done = api.send("POST", of_queue(queue, verb), json.dumps(body), wait_s=LONGEST_REMOVAL_S)
    done = plans.watched(api, queue, done, goes_on=True)
    plan = done.members
    if not output.show([done], as_json=as_json):
        click.echo(columns.printable(f"{plan['done']} jobs removed"))
    if plan["action"] == PlanAction.REMOVE and plan["done"]:
        output.note(f"Bring them back, within a day: rowline plans undo {shlex.quote(queue)} {plan['id']}")
    if plan["status"] != PlanStatus.APPLIED:
        raise Ended(f"the plan {plan['id']} is {plan['status']}: {plan.get('reason', 'look at it')}", Code.FAILED)
