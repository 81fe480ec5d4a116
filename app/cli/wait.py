"""`rowline wait`: waits for the end of a job, on the database itself."""

import json
import math
import os
import sys
from functools import partial

import click

from app.domain.errors import JobNotFound
from app.domain.job import Job
from app.domain.states import FINAL, Status
from app.infra import settings
from app.local import embedded
from app.operations.jobends import JobEnds
from app.postgres.database import Database
from app.queries.jobs import Lookup

TIMEOUT_MAX_S = 10 * 366 * 24 * 3600
NOT_ENDED = 3
"""The exit code if the time was over first."""


@click.command()
@click.argument("queue")
@click.argument("job_id", metavar="ID")
@click.option(
    "--timeout", type=click.FloatRange(0, TIMEOUT_MAX_S), default=60.0, show_default=True, help="Seconds to wait."
)
def wait(*, queue: str, job_id: str, timeout: float) -> None:
    """Wait until a job is completed, and print its result as JSON.

    The exit code is 1 if the job has failed or does not exist, 3 if it has not ended in time: then it goes on.
    """
    if math.isnan(timeout):
        raise click.BadParameter("must be a number", param_hint="'--timeout'")
    job = _ended(queue, job_id, timeout)
    if job.status is Status.COMPLETED:
        print(_safe(job.result or "null"))
        return
    is_failed = job.status in FINAL
    print(_line(job) if is_failed else f"job {job.id!r} is {job.status} after {timeout:g} s", file=sys.stderr)
    sys.exit(1 if is_failed else NOT_ENDED)


def _ended(queue: str, job_id: str, timeout_s: float) -> Job:
    chosen = settings.from_env(os.environ)
    url = chosen.database_url or embedded.url_of_running(chosen)
    db = Database(chosen, url=url, size=1, name="rowline-wait")
    ends = JobEnds(db)
    look = partial(Lookup(db).find, queue=queue, job_id=job_id)
    try:
        return ends.wait(look, wait_ms=round(timeout_s * 1000), has_left=lambda: False)
    except JobNotFound as error:
        raise click.ClickException(str(error)) from None
    except UnicodeEncodeError:
        raise click.ClickException("the arguments must be UTF-8") from None
    finally:
        ends.close()
        db.close()


def _line(job: Job) -> str:
    """Return why a job has failed, as a line; what programs sent can be no control sequence of the terminal."""
    line = f"job {job.id!r} failed: {job.failed_reason}"
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


def _safe(result: str) -> str:
    """Return the same JSON value without characters that could control a terminal: they are escaped, or white space."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else " " if one == "\r" else json.dumps(one)[1:-1] for one in result
    )
