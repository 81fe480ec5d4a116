"""Clocks that are wrong, of nodes and of workers, decide nothing: the database's does."""

import json
import time
from pathlib import Path
from typing import Any

import libfaketime
import pytest

from app.domain.job import JsonText
from app.domain.states import Status
from app.postgres.database import Database
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
LEASE_MS, LONG_S = 6_000, 7
"""A job that takes longer than its lease, which lets a machine that stands still for four seconds extend it in time."""


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
        WorkerProgram(shared_url, handlers, lease_ms=LEASE_MS, recover_ms=100, extra=preloaded(worker)),
    ):
        body = [{"name": "n", "data": 0, "opts": {"delay": 700}}, {"name": "n", "data": 0}]
        sent = raw.request("POST", "/queues/q/jobs", body=json.dumps(body).encode())
        [answer] = server.ask(sent, wanted=1)
        delayed, plain = (in_status(db, job["id"]) for job in answer.json())
        long = in_status(db, add(db, new(data=JsonText(str(LONG_S))))[0])

    assert {delayed.status, plain.status, long.status} == {Status.COMPLETED}
    assert abs(float(str(plain.result)) - time.time()) > HOUR_S / 2  # the worker's clock was wrong indeed
    assert abs(answer.json()[0]["timestamp"] / 1000 - time.time()) < HOUR_S / 2
    assert milliseconds(delayed) >= 700
    assert (long.attempts_started, long.stalled_count) == (1, 0)


def test_clocks_that_jump_while_jobs_run_change_nothing(db: Database, shared_url: str, tmp_path: Path) -> None:
    handlers, clock = written(tmp_path, HANDLERS), tmp_path / "clock"
    clock.write_text("+0")
    jumping = preloaded("") | {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    del jumping["FAKETIME"]
    jobs: list[str] = []
    seen: list[float] = []
    with (
        raw.server(shared_url, **jumping) as server,
        WorkerProgram(shared_url, handlers, lease_ms=LEASE_MS, recover_ms=100, worker_threads=20, extra=jumping),
    ):
        for shift in ("+0", "+3600", "-3600", "+86400", "+0"):
            clock.write_text(shift)
            body = [{"name": "n", "data": LONG_S, "opts": {"delay": delay}} for delay in (0, 300)]
            [answer] = server.ask(raw.request("POST", "/queues/q/jobs", body=json.dumps(body).encode()), wanted=1)
            jobs += [job["id"] for job in answer.json()]
            short = in_status(db, add(db, new(data=JsonText("0")))[0])
            seen.append(round((float(str(short.result)) - time.time()) / HOUR_S))
        ended = [in_status(db, job_id) for job_id in jobs]

    assert seen == [0, 1, -1, 24, 0], "the worker's clock jumped indeed"
    assert len(set(jobs)) == len(jobs)
    assert {(job.status, job.attempts_started, job.stalled_count) for job in ended} == {(Status.COMPLETED, 1, 0)}
    assert all(milliseconds(job) >= job.delay_ms for job in ended)


def milliseconds(job: Any) -> float:
    """How long a job waited for its worker."""
    return float((job.processed_at - job.added_at).total_seconds() * 1000)
