"""`rowline workers`: who works the jobs of a queue now."""

import click

from app.cli import names, output, service
from app.cli.service import of_queue

COLUMNS = ["worker", "way", "slots", "busy", "seen"]


@click.command()
@names.queue
@output.as_json
@output.ids_only
@output.watchable
def workers(*, queue: str, as_json: bool, ids_only: bool) -> None:
    """List the workers of QUEUE that were seen within a minute, by name: Python workers, those over HTTP, dispatchers.

    The endpoint to which dispatchers send jobs: `rowline endpoints`.
    """
    with service.opened() as api:
        found = api.get(of_queue(queue, "workers"))
    listed = found.parts("workers")
    if not output.show(listed, as_json=as_json, ids=(lambda one: one.members["worker"]) if ids_only else None):
        rows = [(*(one.members[name] for name in COLUMNS[:-1]), output.at(one.members["seenOn"])) for one in listed]
        output.table(COLUMNS, rows, f"workers of {queue}")
    if (more := found.members["count"] - len(listed)) > 0:
        click.echo(f"{more} more are not shown", err=True)
