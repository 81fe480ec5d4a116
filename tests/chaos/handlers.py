"""What the Python workers of `make faults` run: it writes down each run, and now and then does what handlers do."""

import json
import os
import random
import signal
import socket
import time

import rowline

DRAW = random.Random()
_record = os.open(os.environ["CHAOS_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(kind: str, **members: object) -> None:
    """Write one line; short appends to a file are whole."""
    os.write(_record, json.dumps({"t": time.monotonic(), "kind": kind} | members).encode() + b"\n")


@rowline.handler("n")
def work(job: rowline.Job) -> object:
    """Run, as real handlers would: most do little, few hog, die, or take their worker with them."""
    worker = f"{socket.gethostname()}:{os.getppid()}"
    name = job.id if job.id.isdigit() else f"{job.id}@{job.data['batch']}"  # as `record.name_of` names it
    rev = job.data.get("rev", 0)
    note("began", id=name, token=job.token, worker=worker, rev=rev, priority=job.priority)
    draw = DRAW.random()
    if draw < 0.0002:
        # F10, and no fault to blame a stall on: heartbeats come from another process.
        note("did", name="F10 hog-interpreter")
        sum(range(120_000_000))  # one call in C, which lets nobody else have the interpreter
    elif draw < 0.0006:
        note("fault", name="F12 poison", target=worker, until=time.monotonic())
        os._exit(1)
    elif draw < 0.01:
        raise RuntimeError("drawn")
    elif draw < 0.02:
        job.log("a line")
        job.progress(50)
    note("ended", id=name, token=job.token, worker=worker)
    if 0.02 < draw < 0.0203:
        note("fault", name="F08 kill-before-word", target=worker, until=time.monotonic())
        os.kill(os.getppid(), signal.SIGKILL)
    return job.token
