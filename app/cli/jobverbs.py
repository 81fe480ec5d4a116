"""What is done to jobs by their ids: cancel, remove, retry, promote."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from rowline.errors import RowlineError

from app.cli import columns, exits, names, output, service
from app.cli.exits import Code, Ended
from app.cli.service import Reply, of_queue
from app.cli.values import JsonValue
from app.domain.states import Status

NAMED = 10
"""So many ids are named before the first is touched."""
Command = Callable[..., None]


def _of_jobs(command: Command) -> Command:
    """Add what the command of some jobs takes: QUEUE ID... --yes --json."""
    return names.queue(names.job_ids(output.yes(output.as_json(output.ids_only(command)))))


@click.command()
@_of_jobs
def cancel(*, queue: str, job_ids: tuple[str, ...], yes: bool, as_json: bool, ids_only: bool) -> None:
    """Cancel jobs: fail them, or, if they are active, ask their workers to stop. -: the ids of standard input."""
    _do("cancel", queue, job_ids, yes=yes, as_json=as_json, ids_only=ids_only, is_repeatable=True)


@click.command()
@_of_jobs
def remove(*, queue: str, job_ids: tuple[str, ...], yes: bool, as_json: bool, ids_only: bool) -> None:
    """Remove jobs that are not active, with their attempts and logs. Prints them as they were; there is no undo."""
    _do("remove", queue, job_ids, yes=yes, as_json=as_json, ids_only=ids_only)


@click.command()
@_of_jobs
@click.option("--keep-attempts", is_flag=True, help="Attempts that were made count still; one more is allowed.")
@click.option("--data", type=JsonValue(), help="Their new data: no attempt begins with the old ones.")
def retry(
    *,
    queue: str,
    job_ids: tuple[str, ...],
    yes: bool,
    as_json: bool,
    ids_only: bool,
    keep_attempts: bool,
    data: str | None,
) -> None:
    """Retry jobs that have completed or failed: they are ready again, at once."""
    body = service.members({"resetAttempts": json.dumps(not keep_attempts), "data": data})
    _do("retry", queue, job_ids, body, yes=yes, as_json=as_json, ids_only=ids_only)


@click.command()
@_of_jobs
def promote(*, queue: str, job_ids: tuple[str, ...], yes: bool, as_json: bool, ids_only: bool) -> None:
    """Make delayed jobs ready now."""
    _do("promote", queue, job_ids, yes=yes, as_json=as_json, ids_only=ids_only)


def _do(
    verb: str,
    queue: str,
    job_ids: Sequence[str],
    body: str | None = None,
    *,
    yes: bool,
    as_json: bool,
    ids_only: bool,
    is_repeatable: bool = False,
) -> None:
    """Do something to jobs, one after the other; to more than one only with --yes."""
    found = names.given(job_ids)
    if len(found) > 1 and not yes:
        if as_json and not ids_only:
            print(json.dumps({"queue": queue, "ids": found, "matched": len(found), "isExact": True, "done": 0}))
            return
        named = ", ".join(found[:NAMED]) + (", …" if len(found) > NAMED else "")
        told = f"would {verb} {len(found)} jobs of {queue!r}: {named}. Nothing is changed: give --yes"
        click.echo(columns.printable(told), err=ids_only)
        return

    def one(job_id: str) -> None:
        where = of_queue(queue, "jobs", job_id)
        if verb == "remove":
            done = api.send("DELETE", where)
        else:
            done = api.send("POST", f"{where}/{verb}", body, is_repeatable=is_repeatable)
        say(done, as_json=as_json, ids_only=ids_only)

    with service.opened() as api:
        each(found, one, verb)


def each(job_ids: Sequence[str], act: Callable[[str], None], verb: str) -> None:
    """Act on jobs in their order. What is refused of one is said, and does not keep the others from it.

    The command ends with the code of the first fault, and at once if the service is away, or does not know the token.
    """
    first: Ended | None = None
    with output.bar(len(job_ids), verb, is_shown=len(job_ids) > output.FEW and not sys.stdout.isatty()) as bar:
        for nth, job_id in enumerate(job_ids, 1):
            try:
                act(job_id)
            except RowlineError as error:
                ended = exits.of(error)
                if len(job_ids) == 1 or ended.exit_code in {Code.UNAVAILABLE, Code.REFUSED}:
                    raise
                ended.show()
                first = first or ended
            bar(completed=nth)
    if first is not None:
        raise click.exceptions.Exit(first.exit_code)


def say(job: Reply, *, as_json: bool, ids_only: bool = False) -> None:
    """Print a job; what programs sent can imitate no column."""
    if not output.show([job], as_json=as_json, ids=(lambda one: one.members["id"]) if ids_only else None):
        print(columns.line(parts(job.members)))


def parts(job: dict[str, Any]) -> Iterable[str | None]:
    """Return what a line says of a job."""
    priority = f"priority {job['priority']}" if job["priority"] else ""
    tags = f"tags {', '.join(map(str, job.get('tags', ())))}" if job.get("tags") else ""
    ended = job.get("finishedOn")
    at = f"at {output.moment(ended)}" if job["status"] == Status.FAILED and isinstance(ended, int) else ""
    made = [str(job["id"]), str(job["status"]), str(job["name"]), priority, f"attempts made {job['attemptsMade']}"]
    return [*made, tags, at, reason(job)]


def reason(job: dict[str, Any]) -> str | None:
    """Return why a job failed last, if that is known, and may be seen."""
    found = job.get("failedReason")
    return None if found is None else str(found)
