"""The handlers of the worker that is measured: they do nothing."""

import time

import rowline


@rowline.handler("welcome")
def welcome(_job: rowline.Job) -> None:
    """End well at once."""


@rowline.handler("stamp")
def stamp(job: rowline.Job) -> float:
    """Say for how many seconds the job waited."""
    return time.time() - float(job.data["at"])
