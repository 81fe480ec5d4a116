"""`make bench-metrics`: how long a scrape of /metrics takes with thousands of queues.

`METRICS="--large build/large"` adds the queues to the database of `make seed-large`, and takes them away again.
"""

import dataclasses
import os
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from app.infra import settings
from app.infra.metrics import ProcessMetrics
from app.operations import jobs, maintenance
from app.postgres import schema
from app.postgres.database import Database
from app.queries import metrics
from app.web.metrics import shown
from app.web.metrics.routes import FRESH_S
from tests.bench import large, report
from tests.bench.sample import percentile
from tests.support import clusters, databases, raw
from tests.support.jobs import new

GOAL_MS = 250.0
QUEUE = "bench-metrics"
COLUMNS = """
select string_agg(column_name, ', ') from information_schema.columns
where table_schema = 'rowline' and table_name = 'jobs' and column_name not in ('queue', 'number', 'place', 'custom_id')
"""
FILL = """
insert into rowline.jobs (queue, number, place, {columns})
select 'bench-metrics-' || nth, nextval('rowline.job_numbers'), place + copy, {columns}
from (select * from rowline.jobs where queue = '{source}' and status = 'waiting' limit 1) as one
cross join generate_series(1, {queues}) as nth
cross join generate_series(1, {each}) as copy;
insert into rowline.job_counts (queue, waiting, total_added, active_at)
select 'bench-metrics-' || nth, {each}, {each}, now() from generate_series(1, {queues}) as nth;
insert into rowline.job_minutes (minute, queue, added, completed, failed)
select date_trunc('minute', now()) + ago * interval '1 minute', 'bench-metrics-' || nth, 1, 1, 0
from generate_series(1, {queues}) as nth cross join generate_series(-6, 30) as ago;
insert into rowline.queue_workers (queue, worker, process, way, slots, busy, seen_at)
select 'bench-metrics-' || nth, 'w', gen_random_uuid(), 'python', 1, 1, now() + interval '1 hour'
from generate_series(1, {queues}) as nth;
"""
AWAY = "delete from rowline.{table} where queue like 'bench-metrics%'"
TABLES = ("jobs", "attempts", "job_counts", "job_minutes", "queue_workers", "job_deltas")
ANALYZED = ("jobs", "job_counts", "job_minutes", "queue_workers")


@click.command()
@click.option("--queues", type=click.IntRange(1), default=5_000, show_default=True)
@click.option("--each", type=click.IntRange(1), default=20, show_default=True, help="Ready jobs in each of them.")
@click.option("--looks", type=click.IntRange(1), default=50, show_default=True)
@click.option("--large", "home", type=click.Path(exists=True, file_okay=False, path_type=Path))
def bench(*, queues: int, each: int, looks: int, home: Path | None) -> None:
    """Scrape a database with many queues, by the query, with its text, and over HTTP."""
    with clusters.cluster() if home is None else clusters.cluster(home=home.absolute()) as cluster:
        schema.upgrade(cluster.url)
        url = databases.as_owner(cluster.url)
        chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": url}), statement_ms=600_000)
        db = Database(chosen, url=url, size=2, name="rowline-bench", limit_ms=600_000)
        source = QUEUE if home is None else large.QUEUE
        if home is None:
            jobs.submit_many(db, queue=QUEUE, new=[new()])
        try:
            fill(url, source=source, queues=queues, each=each)
            maintenance.fold_counts(db)
            maintenance.name_queues(db)
            print(report.table(_looked(db, url, looks)))
        finally:
            for table in TABLES:
                databases.run(url, AWAY.format(table=table))
            db.close()


def fill(url: str, *, source: str, queues: int, each: int) -> None:
    """Have so many queues, each with jobs that are copies of one of `source`, with series and workers."""
    [(columns,)] = databases.ask(url, COLUMNS)
    databases.run(url, FILL.format(columns=columns, source=source, queues=queues, each=each))
    for table in ANALYZED:
        databases.run(url, f"vacuum analyze rowline.{table}")


def _looked(db: Database, url: str, looks: int) -> list[list[str]]:
    [(every,)] = databases.ask(
        url, "select sum(waiting + delayed + completed + failed)::bigint from rowline.job_counts"
    )
    [(named,)] = databases.ask(url, "select count(*) from rowline.job_counts")
    process = ProcessMetrics()
    rows = [[f"{named:,} queues, {every:,} jobs", "p50 ms", "p95 ms", "most ms", "goal ms"]]
    rows.append(["the query", *_took(partial(metrics.figures, db), looks), ""])
    rows.append(
        ["with its text", *_took(lambda: shown.database(metrics.figures(db)).encode() + process.text(), looks), ""]
    )
    with raw.server(url) as server:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/metrics", headers={"Authorization": f"Bearer {raw.TOKEN}"}
        )
        rows.append(["HTTP", *_took(partial(_scrape, asked), looks, pause_s=FRESH_S * 1.1), f"{GOAL_MS:.0f}"])
    return rows


def _scrape(asked: urllib.request.Request) -> None:
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert b"rowline_database_up 1\n" in answer.read()


def _took(look: Callable[[], object], looks: int, *, pause_s: float = 0.0) -> list[str]:
    """Return the median, the 95th percentile and the most of what `look` takes, in ms, after a first one."""
    look()
    took = []
    for _ in range(looks):
        time.sleep(pause_s)
        began_at = time.perf_counter()
        look()
        took.append((time.perf_counter() - began_at) * 1000)
    return [f"{found:.0f}" for found in (percentile(took, 0.5), percentile(took, 0.95), max(took))]


if __name__ == "__main__":
    bench()
