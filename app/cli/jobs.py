"""`rowline jobs`: adds and finds jobs, shows and changes single ones."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import click

from app.cli import columns, filters, jobverbs, names, output, service
from app.cli.adding import add
from app.cli.jobverbs import parts, say
from app.cli.logs import logs
from app.cli.service import Reply, Service, of_queue
from app.cli.values import JsonValue

TOLD_S = 2.0  # how often a search says how far it is


@click.group()
def jobs() -> None:
    """Add, find, get and manage jobs."""


jobs.add_command(add)
jobs.add_command(logs)
for verb in (jobverbs.cancel, jobverbs.remove, jobverbs.retry, jobverbs.promote):
    jobs.add_command(verb)


@jobs.command("list")
@names.optional_queue
@filters.options
@click.option("--oldest-first", is_flag=True, help="The first added first.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The most jobs.")
@output.as_json
@output.ids_only
@output.watchable
def find(
    *,
    queue: str | None,
    oldest_first: bool,
    limit: int,
    as_json: bool,
    ids_only: bool,
    **given: Any,
) -> None:
    """Find jobs of a queue, or, without its name, of all queues: those that have all that is given.

    Tells on standard error how many it looked at.
    """
    if ids_only and queue is None:
        raise click.UsageError("--quiet needs QUEUE: an id is one of a queue")
    asked = {"since": 0} | filters.query(given) | {"order": "asc" if oldest_first else "desc"}
    search = _Search(path="/jobs" if queue is None else of_queue(queue, "jobs"), asked=asked)
    with service.opened() as api:
        found = search.run(api, limit=limit)
    ids = (lambda job: job.members["id"]) if ids_only else None
    if not output.show(found, as_json=as_json, ids=ids):
        for job in found:
            print(columns.line([*([] if queue else [job.members["queue"]]), *parts(job.members)]))
    if not ids_only:
        search.tell(is_end=True)
        if not found and any(name.startswith("data.data.") for name in asked):
            click.echo("a path begins within the data: customer.id=42, without data. in front", err=True)


@dataclass(kw_only=True)
class _Search:
    """A search over cursors, which says how far it is. Its query has a filter always, so that each part tells that."""

    path: str
    asked: dict[str, Any]
    looked_at: int = 0
    found: int = 0
    is_over: bool = False
    told_at: float = field(default_factory=time.monotonic)

    def run(self, api: Service, *, limit: int) -> list[Reply]:
        """Find up to `limit` jobs, in as many requests as that takes."""
        found: list[Reply] = []
        cursor = None
        while not self.is_over and len(found) < limit:
            if cursor and time.monotonic() - self.told_at > TOLD_S:
                self.tell(is_end=False)
            length = min(service.PAGE, limit - len(found))
            part = api.get(self.path, **self.asked, length=length, cursor=cursor)
            found += part.parts("jobs")
            self.looked_at += part.members["scanned"]
            self.found = len(found)
            cursor = part.members.get("next")
            self.is_over = cursor is None
        return found

    def tell(self, *, is_end: bool) -> None:
        """Say on standard error how many jobs were looked at."""
        self.told_at = time.monotonic()
        all_seen = "these are all that match" if self.found else "none matches"
        what = all_seen if self.is_over else "there may be more" if is_end else "going on"
        click.echo(f"looked at {self.looked_at:,} jobs; {what}", err=True)


@jobs.command()
@names.queue
@names.job_ids
@output.as_json
@output.watchable
def show(*, queue: str, job_ids: tuple[str, ...], as_json: bool) -> None:
    """Print jobs by their ids; -: those of standard input."""
    with service.opened() as api:
        jobverbs.each(
            names.given(job_ids),
            lambda job_id: say(api.get(of_queue(queue, "jobs", job_id)), as_json=as_json),
            "read",
        )


jobs.add_command(show, "get")


@jobs.command()
@names.queue
@names.job_id
@click.option("--data", type=JsonValue(), help="Its new data.")
@click.option("--name", help="Its new name.")
@click.option("--priority", type=int, help="1 (first) to 2097152 (last); 0 takes it away.")
@click.option("--delay", type=int, metavar="MS", help="It is ready so many ms from now.")
@click.option("--lifo/--no-lifo", default=None, help="Whether it joins at the front.")
@click.option("--attempts", type=int, help="How many of its attempts may fail.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated. They take the place of those it has.")
@click.option("--no-tags", is_flag=True, help="Take its tags away.")
@click.option("--token", help="The token of its running attempt, to change the data of an active job.")
@output.as_json
def change(
    *,
    queue: str,
    job_id: str,
    as_json: bool,
    data: str | None,
    tags: tuple[str, ...],
    no_tags: bool,
    **plain: str | int | None,
) -> None:
    """Change a job that is waiting, prioritized or delayed; with --token, the data of an active one."""
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags exclude each other")
    members = {name: json.dumps(value) for name, value in plain.items() if value is not None}
    members |= {"tags": json.dumps(tags)} if tags or no_tags else {}
    with service.opened() as api:
        changed = api.send("PATCH", of_queue(queue, "jobs", job_id), service.members(members | {"data": data}))
    say(changed, as_json=as_json)
