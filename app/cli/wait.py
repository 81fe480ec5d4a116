"""`rowline wait`: waits for the end of a job, on the database itself."""

import json
import math
import sys
from functools import partial

import click

from app.cli import columns, direct, names
from app.domain.job import Job
from app.domain.states import FINAL, Status
from app.operations.jobends import JobEnds
from app.postgres.database import Database
from app.queries.jobs import Lookup

TIMEOUT_MAX_S = 10 * 366 * 24 * 3600
NOT_ENDED = 3
"""The exit code if the time was over first."""


@click.command()
@names.queue
@names.job_id
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
    told = f"failed: {job.failed_reason}" if is_failed else f"is {job.status} after {timeout:g} s"
    print(columns.printable(f"job {job.id!r} {told}"), file=sys.stderr)
    sys.exit(1 if is_failed else NOT_ENDED)


def _ended(queue: str, job_id: str, timeout_s: float) -> Job:
    def wait(db: Database) -> Job:
        ends = JobEnds(db)
        look = partial(Lookup(db).find, queue=queue, job_id=job_id)
        try:
            return ends.wait(look, wait_ms=round(timeout_s * 1000), has_left=lambda: False)
        finally:
            ends.close()

    return direct.told(wait, name="rowline-wait")


def _safe(result: str) -> str:
    """Return the same JSON value without characters that could control a terminal: they are escaped, or white space."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else " " if one == "\r" else json.dumps(one)[1:-1] for one in result
    )
