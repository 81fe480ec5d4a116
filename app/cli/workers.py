"""`rowline workers`: who works the jobs of a queue now, from the database itself."""

from typing import Any

import click
import orjson

from app.cli import direct, names, tables
from app.domain.workers import LISTED_MAX, SeenWorker
from app.queries import workers as queries
from app.queries.reports import Found


@click.command()
@names.queue
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def workers(*, queue: str, as_json: bool) -> None:
    """List the workers of QUEUE that were seen within a minute, by name: Python workers, those over HTTP, dispatchers.

    They are in the database: DATABASE_URL, or the embedded one of `rowline run`.
    """
    count, found = direct.told(lambda db: queries.seen(db, queue=queue), name="rowline-workers")
    if as_json:
        print(orjson.dumps([_members(one) for one in found], option=orjson.OPT_INDENT_2).decode())
    else:
        rows = [_row(one) for one in found]
        tables.show(Found(columns=["worker", "way", "slots", "busy", "seen"], rows=rows), f"workers of {queue}")
    if count > LISTED_MAX:
        click.echo(f"{count - LISTED_MAX} more are not shown", err=True)


def _members(one: SeenWorker) -> dict[str, object]:
    seen_on = round(one.seen_at.timestamp() * 1000)
    return {"worker": one.worker, "way": one.way.value, "slots": one.slots, "busy": one.busy, "seenOn": seen_on}


def _row(one: SeenWorker) -> Any:
    return one.worker, one.way.value, one.slots, one.busy, one.seen_at
