"""P13: the jobs of a worker that was killed are with another one soon."""

import contextlib
import functools
import itertools
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from app.domain.job import JsonText
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres import libpq
from app.postgres.database import Database
from tests.chaos.kept import Kept
from tests.chaos.stand import Ground
from tests.measured.figure import Figure
from tests.support import clusters, databases
from tests.support.clusters import PYTHON
from tests.support.jobs import QUEUE, new
from tests.support.workers import written

KILLS = 200
WORKERS, THREADS = 5, 4
JOBS = 2 * WORKERS * THREADS  # that are added before a kill, so that each worker has some
PAUSE_S = 0.2
LEASE_MS, RECOVER_MS, POLL_MS = 2_000, 500, 200
RECOVERY_S = (LEASE_MS + RECOVER_MS + POLL_MS) / 1000
HANDLERS = """
    @rowline.handler("n")
    def run(job):
        time.sleep(job.data)
"""
TAKEN = """
    select
        stalled.worker,
        extract(epoch from stalled.ended_at)::float8,
        extract(epoch from coalesce(following.started_at, job.processed_at))::float8
    from rowline.attempts stalled
    join rowline.jobs job using (queue, number)
    left join rowline.attempts following
      on (following.queue, following.number, following.nth) = (stalled.queue, stalled.number, stalled.nth + 1)
    where stalled.outcome = 'stalled'
"""


def measure() -> Iterator[Figure]:
    """Kill workers in turn, each with jobs in its hands."""
    with clusters.cluster() as cluster, clusters.folder() as folder, contextlib.ExitStack() as stack:
        url = databases.prepare(cluster.url)
        workers = [stack.enter_context(_worker(url, folder)) for _ in range(WORKERS)]
        killed_at = dict(_killed(url, workers))
        clusters.until(lambda: not Ground(url).open_jobs(), within_s=60)
        found = databases.ask(url, TAKEN)
        waits = [ready_at - killed_at[worker] for worker, ready_at, _taken_at in found]
        taken = [taken_at - killed_at[worker] for worker, _ready_at, taken_at in found]
        [(failed,)] = databases.ask(url, "select count(*) from rowline.jobs where status <> 'completed'")
    hit = len(killed_at)
    yield Figure(
        promise=f"P13: a killed worker's jobs can be claimed within {RECOVERY_S:g} s, {KILLS} kills",
        seen=f"{max(waits):.2f} s at most, {max(taken):.2f} until they were; {len(waits)} jobs, {failed} not done",
        is_kept=hit >= KILLS and max(waits) <= RECOVERY_S and not failed,
    )


def _worker(url: str, folder: Path) -> Kept:
    env = {
        "DATABASE_URL": url,
        "ROWLINE_LEASE_MS": str(LEASE_MS),
        "ROWLINE_RECOVER_MS": str(RECOVER_MS),
        "ROWLINE_POLL_MS": str(POLL_MS),
        "ROWLINE_MAX_STALLED_COUNT": "100",
        "ROWLINE_WORKER_PROCESSES": "1",
        "ROWLINE_WORKER_THREADS": str(THREADS),
    }
    handlers = written(folder, HANDLERS)
    words: list[str | Path] = [*PYTHON, "-m", "app", "work", "--queue", QUEUE, "--handlers", handlers]
    return Kept(words, env=env, ready="worker_started", log=folder / "workers.log")


def _killed(url: str, workers: list[Kept]) -> Iterator[tuple[str, float]]:
    """Kill `KILLS` workers that hold jobs; give each one's name and when, by the database's clock."""
    db = Database(Settings(), url=url, size=1, name="rowline-measured")
    with psycopg.connect(libpq.normal(url), autocommit=True) as connection:
        for worker in itertools.islice(itertools.cycle(workers), KILLS):
            jobs.submit_many(db, queue=QUEUE, new=[new(data=JsonText("0.2")) for _ in range(JOBS)])
            name = f"{socket.gethostname()}:{worker.pid}"
            clusters.until(functools.partial(_is_busy, connection, name))
            [(now,)] = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchall()
            worker.end(signal.SIGKILL)
            yield name, now
            time.sleep(PAUSE_S)
    db.close()


def _is_busy(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    busy = "select from rowline.jobs where status = 'active' and processed_by = %s limit 1"
    return bool(connection.execute(busy, [name]).fetchall())
