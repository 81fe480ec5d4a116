"""`rowline failures`: the failed jobs of a queue in groups."""

from typing import Any

import click

from app.cli import names, output, service
from app.cli.service import of_queue

COLUMNS = ["fingerprint", "jobs", "first", "last", "newest", "example"]


@click.command()
@names.queue
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="The most groups.")
@output.as_json
@output.ids_only
@output.watchable
def failures(*, queue: str, limit: int, as_json: bool, ids_only: bool) -> None:
    """Group the failed jobs of QUEUE by what their failures have in common, the largest group first.

    A fingerprint, which --quiet prints, is what `rowline jobs list --fingerprint` and `rowline plan QUEUE retry
    --fingerprint` take.
    """
    with service.opened() as api:
        found = api.get(of_queue(queue, "failures"), start=0, length=limit)
    groups = found.parts("groups")
    ids = (lambda group: group.members.get("fingerprint", "")) if ids_only else None
    if not output.show(groups, as_json=as_json, ids=ids):
        output.table(COLUMNS, [_row(group.members) for group in groups], f"failures of {queue}")
    _tell(found.members)


def _row(group: dict[str, Any]) -> tuple[Any, ...]:
    times = (output.at(group["firstOn"]), output.at(group["lastOn"]))
    newest = group["jobs"][0] if group["jobs"] else None
    return (group.get("fingerprint"), group["count"], *times, newest, group.get("example"))


def _tell(found: dict[str, Any]) -> None:
    if found["count"] > len(found["groups"]):
        click.echo(f"{found['count'] - len(found['groups'])} more groups are not shown", err=True)
    if not found["isComplete"]:
        click.echo("there are too many to count: there may be more groups, and more jobs in one", err=True)
    if found.get("ungrouped"):
        output.note(f"{found['ungrouped']} failed jobs are in no group yet")
