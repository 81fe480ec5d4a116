"""PostgreSQL dies under load: everything that was acknowledged is there, and gets done."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from app.domain.states import Status
from app.infra.settings import Settings
from app.postgres.database import Database
from app.queries import jobs
from tests.support import clusters, databases
from tests.support.clusters import PYTHON, Cluster, Program, free_port, until
from tests.support.jobs import QUEUE
from tests.support.workers import WorkerProgram, written

KILLS = 3


class Producer(threading.Thread):
    """Adds arrays of five jobs until stopped; keeps the ids of those that were acknowledged."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.answers: dict[int, int] = {}
        self.stopped = threading.Event()
        self._request = Request(
            f"http://127.0.0.1:{port}/queues/{QUEUE}/jobs",
            data=json.dumps([{"name": "echo", "data": n} for n in range(5)]).encode(),
            headers={"Authorization": "Bearer t"},
        )

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                with urlopen(self._request, timeout=60) as answer:
                    self.acknowledged += [job["id"] for job in json.load(answer)]
                    status = 200
            except HTTPError as error:
                status = error.code
                error.close()
                self.stopped.wait(0.05)
            except URLError:
                status = 0
                self.stopped.wait(0.05)
            self.answers[status] = self.answers.get(status, 0) + 1


@pytest.fixture
def cluster(postgres_bin: Path | None) -> Iterator[Cluster]:
    """A server of its own, to be killed."""
    with clusters.cluster(postgres_bin=postgres_bin, is_copy=True) as cluster:
        databases.prepare(cluster.url)
        yield cluster


def test_kill_9_of_the_server_loses_no_acknowledged_job(cluster: Cluster, tmp_path: Path) -> None:
    handlers = written(tmp_path, "@rowline.handler('echo')\ndef echo(job):\n    return job.data\n")
    port = free_port()
    env = {"DATABASE_URL": databases.as_runtime(cluster.url), "AUTH_TOKENS": "t", "PORT": str(port)}
    with (
        Program([*PYTHON, "-m", "app", "serve"], env=env) as api,
        WorkerProgram(databases.as_runtime(cluster.url), handlers) as worker,
    ):
        api.expect("api_started")
        producer = Producer(port)
        producer.start()
        try:
            for _ in range(KILLS):
                so_far = len(producer.acknowledged)
                until(lambda so_far=so_far: len(producer.acknowledged) > so_far + 50)  # type: ignore[misc]
                cluster.kill()
                cluster.start()
        finally:
            producer.stopped.set()
            producer.join()
        api.process.kill()
        check(cluster, producer)
        assert worker.process.poll() is None


def check(cluster: Cluster, producer: Producer) -> None:
    """Everything acknowledged is there and gets done, no array is half there, and trouble was told as 503."""
    db = Database(Settings(), url=databases.as_runtime(cluster.url), size=1, name="check")
    undone = jobs.Part(statuses=(Status.WAITING, Status.ACTIVE))

    def drained() -> bool:
        return not any(jobs.Pages(db).read(queue=QUEUE, part=undone).counts.values())

    until(drained, within_s=60)
    with db.read() as conn:
        stored = {str(row[0]): row[1] for row in conn.exec_driver_sql("select number, status from rowline.jobs")}
    assert {stored.get(job_id) for job_id in producer.acknowledged} == {"completed"}
    assert len(stored) % 5 == 0
    assert set(producer.answers) <= {200, 503}
    assert producer.answers[200] > 0
    db.close()
