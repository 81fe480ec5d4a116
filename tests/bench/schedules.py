"""`make bench-schedules`: how long one process takes to make the ticks of many schedules that are due in one second."""

import dataclasses
import os
import time

import click

from app.infra import settings
from app.maintenance.schedules import Ticker
from app.postgres import schema
from app.postgres.database import Database
from tests.bench import report
from tests.support import clusters, databases

GOAL_S = 10.0
QUEUES = (1, 100, 10_000)
PATTERNS = ("0 3 * * *", "*/15 * * * *", "30 8 * * MON-FRI")
MAKE = """
insert into rowline.schedules (
    queue, id, pattern, tz, jitter_ms, misfire, overlap, name, data, data_bytes, opts, options, next_at, created_by
)
select
    'queue-' || mod(nth, {queues}), 'schedule-' || nth, ({patterns})[1 + mod(nth, 3)], 'Europe/Vienna', 0, 'once',
    'pending', 'report', '{{"to": "ada@example.com"}}', 25, '{{}}', '{{}}',
    floor(extract(epoch from statement_timestamp()) * 1000)::bigint, 'bench'
from generate_series(1, {schedules}) as nth
"""
LEFT = "select count(*) from rowline.schedules where ticks = 0"
EMPTY = "truncate rowline.schedules, rowline.jobs, rowline.job_deltas, rowline.job_counts"


@click.command()
@click.option("--schedules", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
def bench(*, schedules: int, rounds: int) -> None:
    """Have them fall due at once, in one queue and in many; make their ticks."""
    chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": ""}), statement_ms=600_000)
    rows = [[f"{schedules:,} schedules due at once, in", *(f"round {nth + 1}, s" for nth in range(rounds)), "goal"]]
    with clusters.cluster() as cluster:
        schema.upgrade(cluster.url)
        db = Database(chosen, url=databases.as_owner(cluster.url), size=2, name="rowline-bench")
        for queues in QUEUES:
            took = [f"{_made(db, cluster.url, schedules, queues):.1f}" for _ in range(rounds)]
            rows.append([f"{queues:,} queues" if queues > 1 else "one queue", *took, f"{GOAL_S:.0f}"])
        db.close()
    print(report.table(rows))


def _made(db: Database, url: str, schedules: int, queues: int) -> float:
    """Return how long all ticks take, in seconds, from the look that finds them to the last commit."""
    databases.run(url, EMPTY)
    patterns = f"array{list(PATTERNS)}"
    databases.run(url, MAKE.format(queues=queues, schedules=schedules, patterns=patterns))
    databases.run(url, "vacuum analyze rowline.schedules")
    ticker = Ticker(db)
    began_at = time.perf_counter()
    while databases.ask(url, LEFT) != [(0,)]:
        ticker.tick()
    return time.perf_counter() - began_at


if __name__ == "__main__":
    bench()
