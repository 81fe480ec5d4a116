"""`rowline jobs`: adds and finds jobs, and has commands for single ones, on the database itself."""

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import click
import orjson

from app.cli import account, columns, direct, filters, names
from app.cli.adding import add
from app.cli.values import JsonValue
from app.domain import ids, jobfilter
from app.domain.job import Job
from app.domain.states import Status
from app.infra import settings
from app.operations import manage as operations
from app.postgres.database import Database
from app.queries import jobs as queries
from app.queries.find import Finder, Found, Sought
from app.web.jobs import verbs
from app.wire.job import JobSchema, PlacedJobSchema

Command = Callable[..., None]
PAGE = 100  # jobs that are read at a time
TOLD_S = 2.0  # how often a search says how far it is


@click.group()
def jobs() -> None:
    """Add, find, get and manage jobs. They are in the database: DATABASE_URL, or the embedded one of `rowline run`."""


jobs.add_command(add)


@jobs.command("list")
@click.argument("queue", required=False, type=names.Name("QUEUE", ids.QUEUE_NAME_MAX))
@filters.options
@click.option("--oldest-first", is_flag=True, help="The first added first.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The most jobs.")
@click.option("--json", "is_json", is_flag=True, help="Print a JSON array of the jobs as the API shows them.")
def find(
    *,
    queue: str | None,
    oldest_first: bool,
    limit: int,
    is_json: bool,
    **given: Any,
) -> None:
    """Find jobs of a queue, or, without its name, of all queues: those that have all that is given.

    Tells on standard error how many it looked at.
    """
    wanted = jobfilter.of_json(filters.members(given))
    search = _Search(queue=queue, sought=Sought(wanted=wanted, length=0, newest_first=not oldest_first))
    found = direct.told(lambda db: search.run(db, limit=limit), name="rowline-jobs")
    if is_json:
        members = PlacedJobSchema(queue_prefix=settings.from_env(os.environ).queue_prefix).members
        print(orjson.dumps([members(job) for job in found]).decode())
    else:
        for job in found:
            print(columns.line([*([] if queue else [job.queue]), *_parts(job)]))
    search.tell(is_end=True)


@dataclass(kw_only=True)
class _Search:
    """A search over cursors, which says how far it is."""

    queue: str | None
    sought: Sought
    looked_at: int = 0
    found: int = 0
    is_over: bool = False
    told_at: float = field(default_factory=time.monotonic)

    def run(self, db: Database, *, limit: int) -> list[Job]:
        """Find up to `limit` jobs, in as many steps as that takes."""
        finder = Finder(db)
        found: list[Job] = []
        while not self.is_over and len(found) < limit:
            part = self._step(finder, min(PAGE, limit - len(found)))
            found += part.jobs
            self.looked_at += part.looked_at
            self.found = len(found)
            self.is_over = part.next is None
            self.sought = replace(self.sought, after=part.next)
            if time.monotonic() - self.told_at > TOLD_S:
                self.tell(is_end=False)
        return found

    def tell(self, *, is_end: bool) -> None:
        """Say on standard error how many jobs were looked at."""
        self.told_at = time.monotonic()
        all_seen = "these are all that match" if self.found else "none matches"
        what = all_seen if self.is_over else "there may be more" if is_end else "going on"
        click.echo(f"looked at {self.looked_at:,} jobs; {what}", err=True)

    def _step(self, finder: Finder, length: int) -> Found:
        sought = replace(self.sought, length=length)
        if self.queue is None:
            return finder.find_all(readable=["*"], shown=["*"], sought=sought)
        return finder.find(queue=self.queue, sought=sought)


def _of_one_job(command: Command) -> Command:
    """Add what the command of one job takes: QUEUE ID --json."""
    command = click.option("--json", "is_json", is_flag=True, help="Print the job as the API shows it.")(command)
    return names.queue(names.job_id(command))


@jobs.command()
@_of_one_job
def get(*, queue: str, job_id: str, is_json: bool) -> None:
    """Print a job."""
    _print(lambda db: queries.Lookup(db).find(queue=queue, job_id=job_id), is_json=is_json)


@jobs.command()
@_of_one_job
def cancel(*, queue: str, job_id: str, is_json: bool) -> None:
    """Cancel a job: fail it, or, if it is active, ask its worker to stop."""
    actor = account.actor()
    _print(lambda db: operations.cancel(db, actor=actor, queue=queue, job_id=job_id), is_json=is_json)


@jobs.command()
@_of_one_job
def remove(*, queue: str, job_id: str, is_json: bool) -> None:
    """Remove a job that is not active, with its attempts and its log. Prints it as it was; there is no undo."""
    actor = account.actor()
    _print(lambda db: operations.remove_job(db, actor=actor, queue=queue, job_id=job_id), is_json=is_json)


@jobs.command()
@_of_one_job
@click.option("--keep-attempts", is_flag=True, help="Attempts that were made count still; one more is allowed.")
def retry(*, queue: str, job_id: str, is_json: bool, keep_attempts: bool) -> None:
    """Retry a job that has completed or failed: it is ready again, at once."""
    actor = account.actor()
    _print(
        lambda db: operations.retry(db, actor=actor, queue=queue, job_id=job_id, reset_attempts=not keep_attempts),
        is_json=is_json,
    )


@jobs.command()
@_of_one_job
def promote(*, queue: str, job_id: str, is_json: bool) -> None:
    """Make a delayed job ready now."""
    actor = account.actor()
    _print(lambda db: operations.promote_now(db, actor=actor, queue=queue, job_id=job_id), is_json=is_json)


@jobs.command()
@_of_one_job
@click.option("--data", type=JsonValue(), help="Its new data.")
@click.option("--name", help="Its new name.")
@click.option("--priority", type=int, help="1 (first) to 2097152 (last); 0 takes it away.")
@click.option("--delay", type=int, metavar="MS", help="It is ready so many ms from now.")
@click.option("--lifo/--no-lifo", default=None, help="Whether it joins at the front.")
@click.option("--attempts", type=int, help="How many of its attempts may fail.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated. They take the place of those it has.")
@click.option("--no-tags", is_flag=True, help="Take its tags away.")
@click.option("--token", help="The token of its running attempt, to change the data of an active job.")
def change(
    *,
    queue: str,
    job_id: str,
    is_json: bool,
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
    members |= {} if data is None else {"data": data}
    body = "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"
    actor, chosen = account.actor(), settings.from_env(os.environ)

    def act(db: Database) -> Job:
        """Read the change as the API reads it, with the same limits and faults."""
        asked = verbs.load_change(body.encode(), max_data_bytes=chosen.max_data_bytes)
        return operations.change(db, actor=actor, queue=queue, job_id=job_id, change=asked.change, token=asked.token)

    _print(act, is_json=is_json)


def _print(act: Callable[[Database], Job], *, is_json: bool) -> None:
    """Print the job that `act` returns; what programs sent can imitate no column."""
    job = direct.told(act, name="rowline-jobs")
    if is_json:
        members = JobSchema(queue_prefix=settings.from_env(os.environ).queue_prefix).members(job)
        print(orjson.dumps(members).decode())
        return
    print(columns.line(_parts(job)))


def _parts(job: Job) -> Iterable[str | None]:
    """Return what a line says of a job."""
    priority = f"priority {job.priority}" if job.priority else ""
    tags = f"tags {', '.join(job.tags)}" if job.tags else ""
    has_failed = job.status is Status.FAILED and job.finished_at is not None
    at = f"at {job.finished_at:%Y-%m-%d %H:%M:%S}Z" if has_failed else ""
    parts = [job.id, job.status.value, job.name, priority, f"attempts made {job.attempts_made}", tags, at]
    return [*parts, job.failed_reason]
