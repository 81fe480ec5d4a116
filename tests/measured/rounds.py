"""What a hundred processes cost PostgreSQL in which nothing happens, beside two thousand queues that are worked."""

import contextlib
import threading
import time
from collections.abc import Iterator

import click
import psycopg

from app.infra.settings import Settings
from app.maintenance import maintainer
from app.postgres import libpq
from app.postgres.database import Database
from app.worker.sources import DatabaseSource
from tests.measured.figure import Figure
from tests.support import clusters, databases
from tests.support.clusters import PYTHON, Program

PROCESSES, MEMBERS = 10, 10
"""A hundred maintainers, each with a database of its own and a worker's polls; ten share a Python, to spare memory."""
QUEUES = 2_000
MOST = 20.0
WINDOW_S, WINDOWS, SETTLED_WITHIN_S = 30.0, 3, 240.0
OPTIONS = ["-c", "shared_preload_libraries=pg_stat_statements", "-c", "max_connections=900"]
OPTIONS += ["-c", "pg_stat_statements.track=top"]
BUSY = f"""
    insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at,
        delay_ms, attempts, attempts_started, processed_at, processed_by, lease_token, leased_until)
    select 'busy-' || n, nextval('rowline.job_numbers'), 'n', '1', '{{}}', 'active', 0, false, 1, now(), now(),
        0, 1, 1, now(), 'w', gen_random_uuid(), now() + interval '1 day'
    from generate_series(1, {QUEUES}) as n
"""
OURS = """
    from pg_stat_statements join pg_database on pg_database.oid = dbid
    where datname = current_database() and query not like '%pg_stat_statements%'
"""
CALLS = f"select coalesce(sum(calls), 0)::bigint {OURS}"
DEAREST = rf"select calls, left(regexp_replace(query, '\s+', ' ', 'g'), 90) {OURS} order by calls desc limit 8"
CONNECTED = "select count(*) from pg_stat_activity where application_name like 'rowline-idle %'"


def measure() -> Iterator[Figure]:
    """Have them live for a while, and count statements."""
    with clusters.cluster(options=OPTIONS) as cluster, contextlib.ExitStack() as stack:
        url = databases.prepare(cluster.url)
        databases.run(url, "create extension pg_stat_statements")
        databases.run(url, BUSY)
        databases.run(url, "analyze rowline.jobs")
        words = [*PYTHON, "-m", "tests.measured.rounds", url]
        for _ in range(PROCESSES):
            stack.enter_context(Program(words)).expect("idle")
        connection = stack.enter_context(psycopg.connect(libpq.normal(databases.as_owner(url)), autocommit=True))
        ends_at = time.monotonic() + SETTLED_WITHIN_S
        rates: list[float] = []
        while len(rates) < WINDOWS or (min(rates[-WINDOWS:]) > MOST and time.monotonic() < ends_at):
            rates.append(_rate(connection))
        [(connections,)] = connection.execute(CONNECTED).fetchall()
        dearest = connection.execute(DEAREST).fetchall()
    for calls, query in dearest:
        print(f"       {calls:>6} x {query}")
    rate = min(rates[-WINDOWS:])
    yield Figure(
        promise=f"{PROCESSES * MEMBERS} processes, {QUEUES:,} busy queues at rest: <= {MOST:g} statements/s",
        seen=f"{rate:.1f} a second ({', '.join(f'{one:.1f}' for one in rates)}); {connections} connections",
        is_kept=rate <= MOST,
    )


def _rate(connection: psycopg.Connection[tuple[int]]) -> float:
    connection.execute("select pg_stat_statements_reset()")
    began_at = time.monotonic()
    time.sleep(WINDOW_S)
    [(calls,)] = connection.execute(CALLS).fetchall()
    return calls / (time.monotonic() - began_at)


@click.command()
@click.argument("url")
def idle(url: str) -> None:
    """Be ten processes that have nothing to do."""
    settings = Settings(database_url=url)
    for nth in range(MEMBERS):
        db = Database(settings, url=url, size=5, name="rowline-idle")
        maintainer.start(settings, db)
        source = DatabaseSource(settings, db, queue=f"idle-{nth}", worker="idle")
        threading.Thread(target=_poll, args=(source,), daemon=True).start()
    print("idle", flush=True)
    threading.Event().wait()


def _poll(source: DatabaseSource) -> None:
    """Claim as a worker does: when it is rung for, and as often as it looks by itself."""
    bell = threading.Event()
    source.start(bell.set)
    while True:
        claimed = source.exchange((), limit=1).claimed
        assert claimed is not None
        bell.wait(claimed.pause_s)
        bell.clear()


if __name__ == "__main__":
    idle()
