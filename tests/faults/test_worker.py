"""A worker whose database is away waits: it keeps what it has to tell, and its processor free."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.job import JsonText
from app.domain.states import Status
from app.infra.settings import Settings
from app.postgres.database import Database
from tests.support import clusters, databases
from tests.support.clusters import Cluster
from tests.support.jobs import new
from tests.support.workers import WorkerProgram, add, in_status, written

HANDLERS = """
    @rowline.handler('nap')
    def nap(job):
        while job.data and not os.path.exists(job.data):
            time.sleep(0.05)
        return 'told'
"""


@pytest.fixture
def cluster(postgres_bin: Path | None) -> Iterator[Cluster]:
    """A server of its own, to be killed."""
    with clusters.cluster(postgres_bin=postgres_bin, is_copy=True) as cluster:
        databases.prepare(cluster.url)
        yield cluster


def processor_s(pid: int) -> float:
    """The processor time that a process has used, without its children, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_that_cannot_tell_its_outcomes_does_not_spin(cluster: Cluster, tmp_path: Path) -> None:
    over = tmp_path / "over"
    file = written(tmp_path, HANDLERS)
    db = Database(Settings(), url=databases.as_runtime(cluster.url), size=1, name="test")
    with WorkerProgram(databases.as_runtime(cluster.url), file, worker_processes=2) as worker:
        in_status(db, add(db, new("nap", data=JsonText("null")))[0])
        job_id = add(db, new("nap", data=JsonText(json.dumps(str(over)))))[0]
        in_status(db, job_id, Status.ACTIVE)
        cluster.kill()
        over.touch()
        worker.expect("settle_failed")
        before = processor_s(worker.pid)
        for _ in range(4):
            worker.expect("settle_failed")  # half a second each
        used = processor_s(worker.pid) - before
        cluster.start()
        assert in_status(db, job_id).result == '"told"'
    db.close()
    assert used < before, "less than to start and to work a job"
