"""How long each view of `report` takes to answer its common question: `python -m tests.bench.reports --jobs 10000000`.

Fills a database of its own with finished jobs of 90 days, 100,000 live ones and failed attempts, and prints a table.
"""

import contextlib
import time

import click
import psycopg

from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres import schema
from app.postgres.database import Database
from tests.support import clusters, databases
from tests.support.acting import ACTOR

LIVE = 100_000
FINISHED = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, attempts_made, attempts_started, processed_at, processed_by, finished_at, lease_token, result,
    failed_reason, stacktrace)
select 'queue-' || n % 20, n, 'job-' || n % 7, ('{"customer": "c' || n % 500 || '", "order": ' || n || '}')::json, '{}',
    case when n % 100 = 0 then 'failed' else 'completed' end, 0, false, n, at, at - interval '1 second', 0, 1, 1, 1,
    at + interval '100 milliseconds', 'worker-' || n % 8, at + interval '300 milliseconds', gen_random_uuid(),
    case when n % 100 > 0 then '{"status": "sent"}'::json end,
    case when n % 100 = 0 then 'order ' || n || ' was refused' end,
    case when n % 100 = 0 then array[E'Traceback\\n  File "a.py", line ' || n % 9 || E'\\nRefused'] else '{}' end
from (
    select n, statement_timestamp() - (%(last)s - n) * (interval '90 days' / %(last)s) as at
    from generate_series(%(first)s, %(until)s) as n
) as jobs
"""
ATTEMPTS = """
insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome, reason)
select queue, number, 1, processed_by, processed_at, finished_at, 'failed', failed_reason
from rowline.jobs where status = 'failed'
"""
LIVING = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, attempts_started, processed_at, processed_by, lease_token, leased_until)
select 'queue-' || n % 20, 100000000 + n, 'job', '{}', '{}', status, 0, false,
    (extract(epoch from now()) * 1000000)::bigint + n, now() + wait, now(), 0, 1, started,
    case when started = 1 then now() end, case when started = 1 then 'worker-1' end,
    case when started = 1 then gen_random_uuid() end, case when started = 1 then now() + interval '1 hour' end
from generate_series(1, %(live)s) as n
cross join lateral (
    select case when n % 100 = 0 then 'active' when n % 2 = 0 then 'delayed' else 'waiting' end as status
) as k
cross join lateral (
    select case when status = 'active' then 1 else 0 end as started,
        case when status = 'delayed' then interval '1 hour' else interval '0' end as wait
) as m
"""
NOTED = (
    """
    insert into rowline.job_minutes (minute, queue, added, completed, failed, claimed, waits, wait_s, runs, run_s)
    select date_trunc('minute', finished_at), queue, count(*), count(*) filter (where status = 'completed'),
        count(*) filter (where status = 'failed'), count(*),
        array_fill(0, array[7]) || array[count(*)::integer], 0.1 * count(*),
        array_fill(0, array[8]) || array[count(*)::integer], 0.2 * count(*)
    from rowline.jobs where finished_at >= date_trunc('hour', now()) - interval '48 hours' group by 1, 2
    """,
    """
    insert into rowline.job_hours (hour, queue, added, completed, failed, claimed, waits, wait_s, runs, run_s)
    select date_bin('1 hour', finished_at, timestamptz 'epoch'), queue, count(*),
        count(*) filter (where status = 'completed'), count(*) filter (where status = 'failed'), count(*),
        array_fill(0::bigint, array[7]) || array[count(*)::bigint], 0.1 * count(*),
        array_fill(0::bigint, array[8]) || array[count(*)::bigint], 0.2 * count(*)
    from rowline.jobs where finished_at < date_trunc('hour', now()) - interval '48 hours' group by 1, 2
    """,
)
"""What the folds would have noted of the finished jobs."""
QUESTIONS = {
    "queues": "select * from report.queues",
    "queues: the line alone": "select queue, oldest_ready_s from report.queues",
    "attention": "select * from report.attention",
    "workers": "select * from report.workers",
    "endpoints": "select * from report.endpoints",
    "running": "select id, run_s from report.jobs where status = 'active'",
    "counts": "select * from report.counts",
    "retention": "select * from report.retention",
    "storage": "select * from report.storage",
    "throughput: a day by the minute": "select * from report.throughput where per = 'minute'",
    "throughput: a week by the hour": (
        "select * from report.throughput where per = 'hour' and from_at >= now() - interval '7 days'"
    ),
    "throughput: a month by the day": (
        "select * from report.throughput where per = 'day' and from_at >= now() - interval '30 days'"
    ),
    "latency: a day by the hour": (
        "select * from report.latency where per = 'hour' and from_at >= now() - interval '1 day'"
    ),
    "latency: a week by the day": (
        "select * from report.latency where per = 'day' and from_at >= now() - interval '7 days'"
    ),
    "arrivals: two days": "select * from report.arrivals",
    "failures: a week": "select * from report.failures where from_at >= now() - interval '7 days'",
    "attempts: an hour of yesterday": (
        "select * from report.attempts where until_at >= now() - interval '25 hours' "
        "and started_at < now() - interval '24 hours' and until_at < now() - interval '23 hours'"
    ),
    "jobs: failed of a week by customer": (
        "select data ->> 'customer', count(*) from report.jobs "
        "where status = 'failed' and finished_at >= now() - interval '7 days' group by 1"
    ),
    "jobs: slowest of an hour": (
        "select id, run_s from report.jobs where finished_at >= now() - interval '1 hour' order by run_s desc limit 10"
    ),
}
STEP = 250_000


@click.command()
@click.option("--jobs", default=10_000_000, show_default=True, help="Finished jobs.")
def reports(jobs: int) -> None:
    """Fill a database and ask every view."""
    with clusters.cluster() as cluster, databases.fresh(cluster.url) as url:
        schema.upgrade(url)
        began_at = time.monotonic()
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, url, jobs=jobs, live=LIVE)
            connection.execute("vacuum (analyze) rowline.jobs")
            connection.execute("vacuum (analyze) rowline.attempts")
            print(f"{jobs:,} finished and {LIVE:,} live jobs after {time.monotonic() - began_at:.0f} s")
            print("| question | ms, best of 3 |\n| --- | --: |")
            for name, query in QUESTIONS.items():
                print(f"| {name} | {_best_ms(connection, query):.1f} |", flush=True)


def fill(connection: "psycopg.Connection[tuple[object, ...]]", url: str, *, jobs: int, live: int) -> None:
    """Add finished and live jobs, and count them."""
    connection.execute("set synchronous_commit = off")
    for first in range(1, jobs + 1, STEP):
        until = min(first + STEP - 1, jobs)
        connection.execute(FINISHED.replace("n %", "n %%"), {"first": first, "until": until, "last": jobs})
    connection.execute(ATTEMPTS)
    for noted in NOTED:
        connection.execute(noted)
    connection.execute(LIVING.replace("n %", "n %%"), {"live": live})
    db = Database(Settings(statement_ms=600_000), url=url, size=1, name="bench")
    with contextlib.closing(db):
        maintenance.recount(db, actor=ACTOR)


def _best_ms(connection: "psycopg.Connection[tuple[object, ...]]", query: str) -> float:
    spent = []
    for _ in range(3):
        began_at = time.monotonic()
        connection.execute(query).fetchall()
        spent.append((time.monotonic() - began_at) * 1000)
    return min(spent)


if __name__ == "__main__":
    reports()
