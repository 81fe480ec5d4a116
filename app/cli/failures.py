"""`rowline failures`: the failed jobs of a queue in groups, from the database itself."""

from typing import Any

import click
import orjson

from app.cli import direct, names, tables
from app.queries.find import Failures, Finder
from app.queries.reports import Found
from app.web.jobs.failures import dump

COLUMNS = ["fingerprint", "jobs", "first", "last", "newest", "example"]


@click.command()
@names.queue
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="The most groups.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def failures(*, queue: str, limit: int, as_json: bool) -> None:
    """Group the failed jobs of QUEUE by what their failures have in common, the largest group first.

    They are in the database: DATABASE_URL, or the embedded one of `rowline run`. A fingerprint is what
    `rowline jobs list --fingerprint` and `rowline plans make QUEUE retry --fingerprint` take.
    """
    found = direct.told(lambda db: Finder(db).failures(queue=queue, start=0, length=limit), name="rowline-failures")
    if as_json:
        print(orjson.dumps(dump(found, sees_payload=True), option=orjson.OPT_INDENT_2).decode())
    else:
        rows: list[Any] = [
            (group.fingerprint, group.jobs, group.first_at, group.last_at, newest.ids[0], newest.example)
            for group, newest in found.groups
        ]
        tables.show(Found(columns=COLUMNS, rows=rows), f"failures of {queue}")
    _tell(found)


def _tell(found: Failures) -> None:
    if found.known > len(found.groups):
        click.echo(f"{found.known - len(found.groups)} more groups are not shown", err=True)
    if not found.is_complete:
        click.echo("there are too many to count: there may be more groups, and more jobs in one", err=True)
    if found.ungrouped:
        click.echo(f"{found.ungrouped} failed jobs are in no group yet", err=True)
