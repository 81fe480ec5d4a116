"""Big queues, made fast: rows that the service itself has written are copied."""

import os
import subprocess
import sys

from app.cli.db import db
from tests.bench import jobs, raw
from tests.bench.place import Place
from tests.support import clusters

SEED = 1_000
COPIED_AT_ONCE = 200_000
RECOUNT_S = 900.0
_COLUMNS = """
    select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = 'rowline.jobs'::regclass and attnum > 0 and not attisdropped and attgenerated = ''
        and attname not in ('queue', 'number', 'custom_id', 'place', 'run_at')
"""
_AGO_US = 60_000_000


def waiting(place: Place, count: int, *, queue: str = jobs.QUEUE) -> None:
    """Add jobs that wait. Not to an empty table only."""
    _grow(place, count, queue=queue, status="waiting")


def delayed(place: Place, count: int, *, queue: str = jobs.QUEUE) -> None:
    """Add jobs that are due in a day, of a better priority than any other."""
    changed = "status = 'delayed', delay_ms = 86400000, run_at = run_at + interval '1 day', place = place + 86400000000"
    _grow(place, count, queue=queue, status="delayed", changed=changed)


def finished(place: Place, count: int, *, queue: str = jobs.QUEUE) -> None:
    """Add jobs that have completed."""
    _grow(place, count, queue=queue, status="completed")


def _grow(place: Place, count: int, *, queue: str, status: str, changed: str = "") -> None:
    """Have `count` jobs more: some that went the way of all jobs, and copies of them."""
    if not count:
        return
    seed = min(SEED, count)
    place.fill(seed, queue="seed", empty=False)
    if status == "completed":
        with raw.connect(place.url) as connection, connection.cursor() as cursor:
            raw.turn(cursor, queue="seed", size=seed)
    if changed:
        place.connection.execute(f"update rowline.jobs set {changed} where queue = 'seed'".encode())
    (columns,) = place.ask(_COLUMNS)
    # Each stands in line where a job that was added at its turn would: what is claimed together lies together.
    copying = f"""
        insert into rowline.jobs (queue, number, place, run_at, {columns})
        select %s, next, place + next - {_AGO_US}, run_at + (next - {_AGO_US}) * interval '1 microsecond', {columns}
        from (
            select nextval('rowline.job_numbers') as next, seed.*
            from rowline.jobs as seed, generate_series(1, %s) where queue = 'seed' limit %s
        ) as copies
    """.encode()
    for begun in range(0, count, COPIED_AT_ONCE):
        part = min(COPIED_AT_ONCE, count - begun)
        place.connection.execute(copying, (queue, -(-part // seed), part))
    place.connection.execute("delete from rowline.jobs where queue = 'seed'")
    _recount(place)
    place.connection.execute("vacuum analyze rowline.jobs")
    place.checkpoint()


def _recount(place: Place) -> None:
    """Have the service count anew, if it counts while it writes: it did not see the copies."""
    if "recount" in db.commands:
        words = [sys.executable, "-m", "app", "db", "recount"]
        subprocess.run(
            words, check=True, capture_output=True, timeout=RECOUNT_S, cwd=clusters.ROOT, env=os.environ | place.env()
        )
