"""`rowline running`: the jobs that run now."""

from typing import Any

import click

from app.cli import names, output, service

COLUMNS = ["queue", "id", "name", "attempt", "worker", "since", "lease until", "progress", "cancel"]


@click.command()
@names.optional_queue
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="The most jobs.")
@output.as_json
@output.ids_only
@output.watchable
def running(*, queue: str | None, limit: int, as_json: bool, ids_only: bool) -> None:
    """List the jobs that run now, of QUEUE or of all queues, those that run longest first."""
    query: dict[str, Any] = {"length": limit} | ({} if queue is None else {"queue": queue})
    with service.opened() as api:
        found = api.get("/running", **query)
    jobs = found.parts("jobs")
    ids = (lambda job: job.members["id"]) if ids_only else None
    if not output.show(jobs, as_json=as_json, ids=ids):
        output.table(COLUMNS, [_row(job.members) for job in jobs], "running")
    more = found.members["count"] - len(jobs)
    if more > 0:
        click.echo(f"{more} more are not shown", err=True)


def _row(job: dict[str, Any]) -> tuple[Any, ...]:
    times = (output.at(job.get("startedOn")), output.at(job.get("leaseUntil")))
    asked = "asked" if "cancelRequestedOn" in job else None
    return (job["queue"], job["id"], job["name"], job["attempt"], job.get("worker"), *times, job.get("progress"), asked)
