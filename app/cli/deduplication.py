"""`rowline deduplication`: says which job holds an id, and lets it go."""

import click

from app.cli import columns, names, output, service
from app.cli.service import Reply, of_queue


@click.group()
def deduplication() -> None:
    """Say which job holds a deduplication id, let one go."""


@deduplication.command()
@names.queue
@names.dedup_id
@output.as_json
@output.watchable
def show(*, queue: str, dedup_id: str, as_json: bool) -> None:
    """Print which job holds an id, and until when."""
    with service.opened() as api:
        _print(api.get(of_queue(queue, "deduplication", dedup_id)), as_json=as_json)


@deduplication.command("let-go")
@names.queue
@names.dedup_id
@output.as_json
def let_go(*, queue: str, dedup_id: str, as_json: bool) -> None:
    """Let go of an id; print it as it was held. A job that is stored to follow is added by the service then."""
    with service.opened() as api:
        _print(api.send("DELETE", of_queue(queue, "deduplication", dedup_id)), as_json=as_json)


def _print(found: Reply, *, as_json: bool) -> None:
    if output.show([found], as_json=as_json):
        return
    held = found.members
    until = f"until {output.moment(held['expiresOn'])}" if "expiresOn" in held else "until it has ended"
    stored = "a job is stored to follow" if held.get("hasStored") else ""
    print(columns.line([held["id"], f"held by job {held['jobId']}", until, stored]))
