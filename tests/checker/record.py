"""Histories: lines of JSON, each an event of one `kind` at `t` seconds of this machine's monotonic clock.

| kind | members |
| --- | --- |
| clock | at: the database's clock in ms at this moment |
| ask | batch, queue, size, delay_ms, keeps (its retention): before the first byte of an add is sent |
| acknowledged | batch, ids: a 200 to it |
| refused | batch, status: a 4xx to it |
| doubt | batch: an attempt whose outcome is unknown |
| claimed | id, queue, nth (of the attempt), token, worker, at, until: ms of the database's clock; rev, priority |
| extended | id, token, until |
| began, ended | id, token, worker: the effect of a run; rev, priority |
| unanswered | id, token: the connection ended after a run, before any of an answer: the call may be sent once more |
| told | id, token, verb (complete, fail, release), outcome (ok, lost, unknown), asked (t), result, tries |
| told again | id, token, outcome: of a complete that was accepted before |
| hand | verb, queue, id ("" of a pause), outcome (ok, refused, unknown), asked (t), since (ms): a call by hand |
| hand, further | status after it, code of a refusal, rev and priority of a change, in_flight of a pause |
| fault | name, target (a worker, or "" for all), until (t) |
| did | name: of harm that costs no lease |

`ms` is `t` by the wall clock, which is the database's: it runs on the same machine. `id` is the name of a job
(`name_of`); `rev` is the revision of its data that a change by hand has made, 0 at first.
"""

import json
import threading
import time
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Recorder:
    """Appends events to a file. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def note(self, kind: str, **members: object) -> None:
        """Write one event, as of now."""
        line = json.dumps({"t": time.monotonic(), "ms": wall_ms(), "kind": kind} | members)
        with self._lock:
            self._file.write(line + "\n")

    def close(self) -> None:
        self._file.close()


def wall_ms() -> int:
    """Return the time by the clock that a database on this machine has, in whole ms that have passed."""
    return int(time.time() * 1000)


def name_of(job_id: str, batch: str) -> str:
    """Return the name of a job: its number, or its own id with the array it came with, since ids come back."""
    return job_id if job_id.isdigit() else f"{job_id}@{batch}"


def read(*paths: Path) -> list[Event]:
    """Read histories as one, in the order of time. A last line that was cut by a kill is left out."""
    events = []
    for path in paths:
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
    return sorted(events, key=lambda event: float(event["t"]))
