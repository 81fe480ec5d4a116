"""What faults are done to: a PostgreSQL of our own, two API nodes, workers and a dispatcher on it."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres import libpq
from app.postgres.database import Database
from tests.chaos import pullers, receiver
from tests.chaos.kept import Kept
from tests.checker.record import Recorder
from tests.support import clusters, databases, faultproxy, raw
from tests.support.acting import ACTOR
from tests.support.clusters import PYTHON, Cluster, free_port, is_alive, until
from tests.support.family import children
from tests.support.faultproxy import FaultProxy
from tests.support.raw import TOKEN
from tests.support.wire import Wire

API_PROCESSES = 2
WORKERS = 2
WORKED = "worked"  # the queue of the Python workers
QUEUES = (pullers.QUEUE, WORKED, receiver.QUEUE)
SETTINGS = {
    "ROWLINE_LEASE_MS": "2000",
    "ROWLINE_RECOVER_MS": "500",
    "ROWLINE_POLL_MS": "200",
    "ROWLINE_MAX_STALLED_COUNT": "20",
    "ROWLINE_DRAIN_MS": "3000",
    "ROWLINE_WEBHOOK_ALLOW": "127.0.0.0/8",
    "ROWLINE_WORKER_PROCESSES": "2",
}
LISTENING = "query ilike 'listen%' or query = 'select 1'"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One `rowline serve`."""

    kept: Kept
    port: int

    @property
    def pids(self) -> list[int]:
        """gunicorn's own process first, then those that answer."""
        return [self.kept.pid, *children(self.kept.pid)]


class Ground:
    """A PostgreSQL under test, and what is read of it for the checker."""

    def __init__(self, url: str) -> None:
        self.url = url

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(libpq.normal(self.url), autocommit=True, connect_timeout=5)

    def now_ms(self) -> int:
        """Ask the database for the time."""
        with self.connect() as connection:
            [(now,)] = connection.execute("select (extract(epoch from clock_timestamp()) * 1000)::bigint").fetchall()
            return int(now)

    def open_jobs(self) -> int:
        """Count the jobs that have not ended."""
        with self.connect() as connection:
            [(count,)] = connection.execute(
                "select count(*) from rowline.jobs where status not in ('completed', 'failed')"
            ).fetchall()
            return int(count)

    def stored(self) -> list[dict[str, Any]]:
        """Read the jobs as the checker takes them."""
        return self._rows(
            f"select {_NAME} as id, queue, data->>'batch' as batch, (data->>'index')::int as index, status, "
            "coalesce((data->>'rev')::int, 0) as rev, priority, failed_code, "
            "attempts_made, attempts_started, stalled_count, result #>> '{}' as result, "
            + ", ".join(f"floor(extract(epoch from {n}) * 1000)::bigint as {n}" for n in _TIMES)
            + f" from rowline.jobs where {_JUDGED}"
        )

    def attempts(self) -> list[dict[str, Any]]:
        """Read the attempts as the checker takes them."""
        return self._rows(
            f"select {_NAME} as id, nth, worker, outcome, "
            + ", ".join(f"floor(extract(epoch from {n}) * 1000)::bigint as {n}" for n in ("started_at", "ended_at"))
            + f" from rowline.attempts left join rowline.jobs using (queue, number) where {_JUDGED}"
        )

    def recount(self) -> list[str]:
        """Name the queues whose counts are not what counting gives."""
        db = Database(Settings(), url=self.url, size=1, name="recount", limit_ms=60_000)
        try:
            return maintenance.recount(db, actor=ACTOR)
        finally:
            db.close()

    def _rows(self, query: str) -> list[dict[str, Any]]:
        with self.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query).fetchall()


class Stand(Ground):
    """The service under test, and the means to hurt it."""

    def __init__(self, cluster: Cluster, proxy: FaultProxy, nodes: list[Node], kept: Mapping[str, list[Kept]]) -> None:
        super().__init__(cluster.url)
        self.cluster, self.proxy, self.nodes = cluster, proxy, nodes
        self.workers, self.dispatchers = kept["workers"], kept["dispatchers"]

    @property
    def ports(self) -> list[int]:
        """Where the nodes listen."""
        return [node.port for node in self.nodes]

    @property
    def api(self) -> list[int]:
        """The processes of the first node."""
        return self.nodes[0].pids

    @property
    def postgres(self) -> list[int]:
        """The processes of PostgreSQL, the postmaster first, which alone makes more."""
        return [self.cluster.pid, *children(self.cluster.pid)]

    def backends(self, condition: str = "true") -> list[int]:
        """The server processes that work for Rowline."""
        with self.connect() as connection:
            found = connection.execute(
                f"select pid from pg_stat_activity where application_name like 'rowline-%' and ({condition})"
            )
            return [int(str(pid)) for (pid,) in found]

    def kill(self, pid: int) -> None:
        """Kill a process with SIGKILL and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid))

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of PostgreSQL, as a machine that hangs would, until the end of the block."""
        os.kill(self.cluster.pid, signal.SIGSTOP)  # it makes no more
        pids = self.postgres
        try:
            _send(pids, signal.SIGSTOP)
            yield
        finally:
            _send(pids, signal.SIGCONT)


_JUDGED = "queue not in ('repeated', 'planned', 'ticked')"  # which `own_queues` judge themselves
_NAME = "coalesce(custom_id || '@' || (data->>'batch'), number::text)"  # as `record.name_of` names a job
_TIMES = ("added_at", "run_at", "processed_at", "finished_at")


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def stand(postgres_bin: Path | None, record: Recorder, folder: Path, *, seed: int) -> Iterator[Stand]:
    """Bring the service up during the block; what its processes note goes to `record` and into `folder`."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(clusters.cluster(postgres_bin=postgres_bin))
        url = databases.prepare(cluster.url)
        proxy = stack.enter_context(faultproxy.before(cluster.url))
        endpoint = stack.enter_context(receiver.Receiver(record, seed=f"{seed}/receiver"))
        nodes = [_node(stack, each, folder) for each in (url, databases.as_runtime(proxy.url))]
        until(lambda: all(len(node.pids) == 1 + API_PROCESSES for node in nodes), within_s=60)
        _register(nodes[0].port, endpoint.port)
        _trim(nodes[0].port)
        handlers = Path(__file__).with_name("handlers.py")
        worker: list[str | Path] = [*PYTHON, "-m", "app", "work", "--queue", WORKED, "--handlers", handlers]
        env = {"DATABASE_URL": url, "CHAOS_RECORD": str(folder / "workers.jsonl")}
        kept = {
            "workers": [_kept(stack, worker, env, folder, ready="worker_started") for _ in range(WORKERS)],
            "dispatchers": [_kept(stack, [*PYTHON, "-m", "app", "dispatch"], env, folder, ready="dispatcher_started")],
        }
        made = Stand(cluster, proxy, nodes, kept)
        record.note("clock", at=made.now_ms())
        yield made


def _node(stack: contextlib.ExitStack, url: str, folder: Path) -> Node:
    port = free_port()
    env = {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port), "ROWLINE_API_PROCESSES": str(API_PROCESSES)}
    return Node(kept=_kept(stack, [*PYTHON, "-m", "app", "serve"], env, folder, ready="api_started"), port=port)


def _kept(
    stack: contextlib.ExitStack, argv: Sequence[str | Path], env: dict[str, str], folder: Path, *, ready: str
) -> Kept:
    env = SETTINGS | {"ROWLINE_HOME": str(folder / "home")} | env
    return stack.enter_context(Kept(argv, env=env, ready=ready, log=folder / f"{ready}.log"))


def _register(port: int, endpoint: int) -> None:
    body = (
        f'{{"queue":"{receiver.QUEUE}","endpoint":{{"url":"http://127.0.0.1:{endpoint}/","method":"POST",'
        f'"timeout":{receiver.TIMEOUT_MS}}},"opts":{{"concurrency":20}}}}'
    )
    _ask(port, "POST", "/workers", body)


def _trim(port: int) -> None:
    body = f'{{"settings":{{"removeOnComplete":{pullers.TRIMMED_TO}}}}}'
    _ask(port, "PATCH", f"/queues/{pullers.TRIMMED}", body)


def _ask(port: int, method: str, target: str, body: str) -> None:
    with Wire(port) as wire:
        wire.send(raw.request(method, target, body=body.encode()))
        answer = wire.answer()
    assert answer.status == 200, answer.body
