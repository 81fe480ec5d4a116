"""Clocks that are wrong, of nodes and of workers, decide nothing: the database's does."""

import json
import time
from pathlib import Path
from typing import Any

import libfaketime
import pytest

from app.domain.job import JsonText
from app.domain.states import Status
from app.infra.database import Database
from tests.support import raw
from tests.support.jobs import new
from tests.support.workers import WorkerProgram, add, in_status, written

HANDLERS = """
    @rowline.handler("n")
    def run(job):
        time.sleep(job.data)
        return time.time()
"""
HOUR_S = 3_600


def preloaded(shift: str) -> dict[str, str]:
    """Say, in the environment, that the wall clock is wrong. Timers go by the monotonic one, which no one can set."""
    [library] = Path(libfaketime.__file__).parent.rglob("libfaketime.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize(("node", "worker"), [("+1h", "-1h"), ("-1h", "+1h")])
def test_an_hour_of_difference_changes_nothing(
    db: Database, shared_url: str, tmp_path: Path, node: str, worker: str
) -> None:
    handlers = written(tmp_path, HANDLERS)
    with (
        raw.server(shared_url, **preloaded(node)) as server,
        WorkerProgram(shared_url, handlers, lease_ms=1_000, recover_ms=100, extra=preloaded(worker)),
    ):
        body = [{"name": "n", "data": 0, "opts": {"delay": 700}}, {"name": "n", "data": 0}]
        sent = raw.request("POST", "/queues/q/jobs", body=json.dumps(body).encode())
        [answer] = server.ask(sent, wanted=1)
        delayed, plain = (in_status(db, job["id"]) for job in answer.json())
        long = in_status(db, add(db, new(data=JsonText("2.5")))[0])

    assert {delayed.status, plain.status, long.status} == {Status.COMPLETED}
    assert abs(float(str(plain.result)) - time.time()) > HOUR_S / 2  # the worker's clock was wrong indeed
    assert abs(answer.json()[0]["timestamp"] / 1000 - time.time()) < HOUR_S / 2
    assert milliseconds(delayed) >= 700
    assert (long.attempts_started, long.stalled_count) == (1, 0)


def milliseconds(job: Any) -> float:
    """How long a job waited for its worker."""
    return float((job.processed_at - job.added_at).total_seconds() * 1000)
