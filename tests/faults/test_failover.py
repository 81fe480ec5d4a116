"""The primary is lost and its standby is promoted, as app/docs/failover.md has it."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres.database import Database
from app.queries import health
from tests.support import clusters, databases, receivers, standbys
from tests.support.clusters import PYTHON, Cluster, Program, free_port, until
from tests.support.receivers import Receiver
from tests.support.workers import WorkerProgram, written

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Api:
    """A running API, by its port, and the ids of the jobs that it has acknowledged."""

    port: int
    acknowledged: list[str] = field(default_factory=list)

    def status(self, path: str, data: bytes | None = None) -> int:
        request = Request(f"http://127.0.0.1:{self.port}{path}", data=data, headers={"Authorization": "Bearer t"})
        try:
            with urlopen(request, timeout=60) as answer:
                answer.read()
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code

    def add(self) -> int:
        own = f"own-{time.monotonic_ns()}"
        status = self.status(
            "/queues/test/jobs", json.dumps([{"name": "n", "data": 1, "opts": {"jobId": own}}]).encode()
        )
        if status == 200:
            self.acknowledged.append(own)
        return status


@pytest.fixture
def primary(postgres_bin: Path | None) -> Iterator[Cluster]:
    with clusters.cluster(postgres_bin=postgres_bin, is_copy=True) as cluster:
        databases.prepare(cluster.url)
        yield cluster


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Cluster]:
    """A synchronous one: a commit waits until it has it too."""
    with standbys.standby_of(primary) as cluster:
        databases.run(primary.url, "alter system set synchronous_standby_names = '*'")
        databases.run(primary.url, "select pg_reload_conf()")
        until(
            lambda: databases.ask(primary.url, "select sync_state from pg_stat_replication") == [("sync",)], within_s=60
        )
        databases.run(primary.url, "checkpoint")  # by the process that tells all others to wait for standbys
        yield cluster


@pytest.fixture
def url(primary: Cluster, standby: Cluster) -> str:
    return databases.as_runtime(standbys.both(primary, standby, target_session_attrs="read-write"))


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    port = free_port()
    env = {"DATABASE_URL": url, "AUTH_TOKENS": "t", "PORT": str(port), "ROWLINE_API_PROCESSES": "1"}
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as program:
        program.expect("api_started", within_s=60)
        yield Api(port)


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give what is set at the end of the block, whatever ends it."""
    stopped = threading.Event()
    try:
        yield stopped
    finally:
        stopped.set()


def test_after_a_failover_all_that_was_acknowledged_is_there_and_the_service_goes_on_by_itself(
    api: Api, primary: Cluster, standby: Cluster
) -> None:
    with ThreadPoolExecutor(2) as pool, stopping() as stopped:
        producers = [pool.submit(until, lambda: api.add() and stopped.is_set(), within_s=300) for _ in range(2)]
        until(lambda: len(api.acknowledged) > 50, within_s=60)
        primary.kill()
        between = [api.add(), api.status("/queues/test/jobs"), api.status("/health/ready")]
        databases.run(standby.url, "select pg_promote()")
        until(lambda: api.status("/health/ready") == 200, within_s=60)
        assert [api.add(), api.status("/queues/test/jobs")] == [200, 200]
        stopped.set()
        assert [producer.result() for producer in producers] == [None, None]

    stored = {row[0] for row in databases.ask(standby.url, "select custom_id from rowline.jobs")}
    assert between == [503] * 3
    assert set(api.acknowledged) <= stored, "none was lost"


def test_a_worker_and_a_dispatcher_go_on_after_a_failover(
    url: str, primary: Cluster, standby: Cluster, tmp_path: Path
) -> None:
    handlers = written(tmp_path, '@rowline.handler("n")\ndef n(job):\n    return 1\n')
    add = "select rowline.enqueue('q', 'n', '1'), rowline.enqueue('pushed', 'n', '1')"
    left = "select count(*) from rowline.jobs where status <> 'completed'"
    db = Database(Settings(), url=primary.url, size=1, name="rowline-test")
    with Receiver() as receiver, WorkerProgram(url, handlers), receivers.dispatcher(url):
        receivers.register(db, receiver.url, queue="pushed")
        db.close()
        databases.run(primary.url, add)
        until(lambda: databases.ask(primary.url, left) == [(0,)], within_s=60)
        until(
            lambda: databases.ask(primary.url, "select from rowline.job_folds where history is not null"), within_s=60
        )
        primary.kill()
        databases.run(standby.url, "select pg_promote()")
        databases.run(standby.url, add)
        until(lambda: databases.ask(standby.url, left) == [(0,)], within_s=60)
        until(lambda: databases.ask(standby.url, "select from rowline.events where verb = 'reset'"), within_s=60)
    assert databases.ask(standby.url, "select count(*) from rowline.jobs") == [(4,)]
    assert len(receiver.calls) == 2


def test_a_standby_is_not_ready_and_a_url_that_wants_a_primary_passes_it_over(
    primary: Cluster, standby: Cluster
) -> None:
    alone = Database(Settings(), url=standby.url, size=1, name="rowline-test")
    assert "PostgreSQL is a standby: it takes no jobs" in health.faults(alone)
    found = maintenance.look(alone, word="cannot be said there")
    assert found == maintenance.PendingWork(is_due=False, is_unfolded=False, now_ms=found.now_ms)
    alone.close()
    for kind in ("primary", "read-write"):
        db = Database(
            Settings(), url=standbys.both(standby, primary, target_session_attrs=kind), size=1, name="rowline-test"
        )
        assert health.faults(db) == []
        db.close()
