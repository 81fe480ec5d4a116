"""`rowline wait`: waits for the end of a job."""

import math
import sys
import time

import click
from rowline.values import FINAL

from app.cli import columns, jobverbs, jsontext, names, service
from app.cli.exits import Code, Ended
from app.cli.service import Reply, of_queue
from app.domain.states import Status

TIMEOUT_MAX_S = 10 * 366 * 24 * 3600
ASKED_S = 30.0
"""The service's limit for the wait of a request."""


@click.command()
@names.queue
@names.job_id
@click.option(
    "--timeout", type=click.FloatRange(0, TIMEOUT_MAX_S), default=60.0, show_default=True, help="Seconds to wait."
)
def wait(*, queue: str, job_id: str, timeout: float) -> None:
    """Wait until a job is completed, and print its result as JSON.

    The exit code is 1 if the job has failed, 3 if it does not exist, 6 if it has not ended in time: then it goes on.
    """
    if math.isnan(timeout):
        raise click.BadParameter("must be a number", param_hint="'--timeout'")
    job = _ended(queue, job_id, timeout)
    status = job.members["status"]
    if status == Status.COMPLETED:
        if "result" in job.members.get("hidden", ()):
            raise Ended("it has completed; the token lacks the scope payload, and may not see the result", Code.REFUSED)
        print(jsontext.safe(job.part("result").text.decode()) if "result" in job.members else "null")
        return
    is_failed = status in FINAL
    why = jobverbs.reason(job.members) or "its reason is hidden"
    told = f"failed: {why}" if is_failed else f"is {status} after {timeout:g} s"
    print(columns.printable(f"job {job.members['id']!r} {told}"), file=sys.stderr)
    sys.exit(Code.FAILED if is_failed else Code.UNAVAILABLE)


def _ended(queue: str, job_id: str, timeout_s: float) -> Reply:
    """Ask for the job until it has ended, or the time is over."""
    ends_at = time.monotonic() + timeout_s
    with service.opened() as api:
        while True:
            wait_s = min(ASKED_S, max(0.0, ends_at - time.monotonic()))
            asked = round(wait_s * 1000)
            job = api.get(of_queue(queue, "jobs", job_id), wait=asked or None, wait_s=wait_s)
            if job.members["status"] in FINAL or time.monotonic() >= ends_at:
                return job
