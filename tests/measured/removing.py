"""Completing jobs that go with that, beside jobs that are kept, as workers do: CPU of the backend, write-ahead log."""

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from app.domain.job import Completion, JsonText
from app.domain.retention import Keep
from app.infra.settings import Settings
from app.operations import exchange
from app.postgres.database import Connection, Database
from app.store import jobs, leases
from tests.bench import cpu
from tests.measured.figure import Figure
from tests.support import clusters, databases
from tests.support.jobs import new

BATCHES, JOBS, ROUNDS = (1, 10, 100), 400, 41
CPU_MOST, WAL_MOST = 0.8, 0.5


class Cost(NamedTuple):
    """What completing a job took: microseconds of the backend's CPU, and bytes of write-ahead log."""

    cpu_us: float
    wal: float


def measure() -> Iterator[Figure]:
    """Complete jobs of both kinds, by turns, in batches of several sizes."""
    with clusters.cluster() as cluster:
        url = databases.prepare(cluster.url)
        db = Database(Settings(statement_ms=600_000), url=url, size=1, name="rowline-measured", limit_ms=600_000)
        for batch in BATCHES:
            cpus, wals = [], []
            for _ in range(ROUNDS):
                gone, kept = (_completed(db, batch, keep) for keep in (Keep(count=0), None))
                cpus.append(gone.cpu_us / kept.cpu_us)
                wals.append(gone.wal / kept.wal)
            for what, ratios, most in (("CPU", cpus, CPU_MOST), ("write-ahead log", wals, WAL_MOST)):
                ratio = statistics.median(ratios)
                yield Figure(
                    promise=f"jobs that are removed when they complete, in batches of {batch}, cost at most "
                    f"{most:g} of the {what} of others",
                    seen=f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                    is_kept=ratio <= most,
                )
        db.close()


def _completed(db: Database, batch: int, keep: Keep | None) -> Cost:
    number = max(JOBS, batch)
    with db.begin() as conn:
        jobs.insert(conn, queue="q", new=[new(remove_on_complete=keep) for _ in range(number)])
        held = leases.claim(conn, queue="q", limit=number, lease_ms=600_000, worker="w").taken
    with db.begin() as conn:
        backend = int(conn.exec_driver_sql("select pg_backend_pid()").scalar_one())
        before = _wal(conn)
    used = cpu.scheduled_ns(backend)
    for first in range(0, number, batch):
        told = [Completion(lease=one.key, result=JsonText("1")) for one in held[first : first + batch]]
        exchange.exchange(db, queue="q", completions=told)
    used = cpu.scheduled_ns(backend) - used
    with db.begin() as conn:
        return Cost(used / 1_000 / number, (_wal(conn) - before) / number)


def _wal(conn: Connection) -> int:
    return int(conn.exec_driver_sql("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").scalar_one())
