"""The handlers that `make run` works the queue `demo` with."""

import time

import rowline


@rowline.handler("echo")
def echo(job: rowline.Job) -> object:
    """Give the data back."""
    return job.data


@rowline.handler("sleep")
def sleep(job: rowline.Job) -> str:
    """Take `data.ms` milliseconds."""
    time.sleep(job.data["ms"] / 1000)
    return f"slept {job.data['ms']} ms"


@rowline.handler("flaky")
def flaky(job: rowline.Job) -> str:
    """Fail twice, then succeed: add it with `"attempts": 3`."""
    if job.attempt < 3:
        raise RuntimeError(f"attempt {job.attempt} fails")
    return f"attempt {job.attempt} succeeded"
