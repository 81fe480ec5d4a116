"""Handlers files that patch the standard library: what the handler process needs of it is its own."""

import json
import signal
from pathlib import Path

import pytest

from app.domain.job import JsonText
from app.domain.states import Status
from app.operations import manage
from app.postgres.database import Database
from app.queries import history
from tests.support import raw
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, add, in_status, written

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
HANDLERS = """
    import socket, threading

    @rowline.handler("waits")
    def waits(job):
        ticks = []
        beside = threading.Thread(target=lambda: ticks.append(job.log("beside")))
        beside.start()
        time.sleep(0.01)
        beside.join()
        job.progress(50)
        return [job.data, len(ticks)]

    @rowline.handler("looks")
    def looks(job):
        job.log("began")
        while not job.cancelled:
            time.sleep(0.02)
        raise RuntimeError("stopped")
"""


def handlers(folder: Path, patch: str) -> Path:
    file = written(folder, HANDLERS)
    file.write_text(f"{PATCHES[patch]}\n{file.read_text()}")
    return file


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_handlers_file_that_patches_works_and_stops(
    db: Database, shared_url: str, tmp_path: Path, patch: str, threads: int
) -> None:
    with WorkerProgram(shared_url, handlers(tmp_path, patch), worker_threads=threads) as worker:
        asked = [new("waits", data=JsonText(str(nth))) for nth in range(40)]
        done = [in_status(db, job_id, within_s=60) for job_id in add(db, *asked)]
        assert worker.end(signal.SIGTERM) == 0, "without waiting for the drain's end"

    assert [json.loads(job.result or "0") for job in done] == [[nth, 1] for nth in range(40)]
    assert {job.progress for job in done} == {"50"}
    lines = history.logs(db, queue=QUEUE, job_id=done[0].id, start=0, length=9).entries
    assert lines == ["beside"]


@pytest.mark.parametrize("patch", PATCHES)
def test_a_handlers_file_that_patches_works_over_http(
    db: Database, shared_url: str, tmp_path: Path, patch: str
) -> None:
    with (
        raw.server(shared_url) as server,
        WorkerProgram(f"http://127.0.0.1:{server.port}", handlers(tmp_path, patch)) as worker,
    ):
        job = in_status(db, add(db, new("waits"))[0], within_s=60)
        assert worker.end(signal.SIGTERM) == 0
    assert json.loads(job.result or "0") == [1, 1]


@pytest.mark.parametrize("patch", PATCHES)
def test_a_patched_handler_sees_that_its_job_is_cancelled(
    db: Database, shared_url: str, tmp_path: Path, patch: str
) -> None:
    job_id = add(db, new("looks", attempts=5))[0]
    with WorkerProgram(shared_url, handlers(tmp_path, patch), lease_ms=6_000):
        until(lambda: history.logs(db, queue=QUEUE, job_id=job_id, start=0, length=1).count, within_s=60)
        manage.cancel(db, actor=ACTOR, queue=QUEUE, job_id=job_id)
        job = in_status(db, job_id, within_s=60)
    assert (job.status, job.failed_reason) == (Status.FAILED, "RuntimeError: stopped")
