"""`rowline jobs`: commands for single jobs, on the database itself."""

import json
import os
from collections.abc import Callable
from typing import Any

import click
import orjson

from app.cli import account, columns, direct, names
from app.domain.errors import RowlineError
from app.domain.job import Job
from app.infra import settings
from app.operations import manage as operations
from app.postgres.database import Database
from app.queries import jobs as queries
from app.web.jobs import verbs
from app.wire import objects
from app.wire.job import JobSchema

Command = Callable[..., None]


class JsonValue(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A JSON value, kept as the text that it is."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate the value."""
        try:
            return objects.read_value(os.fsencode(value))
        except RowlineError as error:
            self.fail(str(error), param, ctx)


@click.group()
def jobs() -> None:
    """Get and manage single jobs. They are in the database: DATABASE_URL, or the embedded one of `rowline run`."""


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
    priority = f"priority {job.priority}" if job.priority else ""
    tags = f"tags {', '.join(job.tags)}" if job.tags else ""
    parts = [job.id, job.status.value, job.name, priority, f"attempts made {job.attempts_made}", tags]
    print(columns.line([*parts, job.failed_reason]))
