"""What the Python workers of a rehearsal run, of either release: it writes down each run."""

import json
import os
import socket
import time

import rowline

_record = os.open(os.environ["CHAOS_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@rowline.handler("n")
def work(job: rowline.Job) -> object:
    """Run, and give back by which claim."""
    for kind in ("began", "ended"):
        worker = f"{socket.gethostname()}:{os.getppid()}"
        line = {"t": time.monotonic(), "kind": kind, "id": job.id, "token": job.token, "worker": worker}
        os.write(_record, json.dumps(line).encode() + b"\n")
    return job.token
