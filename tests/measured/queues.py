"""GET /queues with 5,000 queues, and GET of a queue with many ready jobs, each within its time."""

import time
from collections.abc import Callable, Iterator
from functools import partial

from app.infra.settings import Settings
from app.postgres.database import Database
from app.queries import queues
from app.store import counts
from tests.bench.sample import percentile
from tests.measured.figure import Figure
from tests.support import clusters, databases

QUEUES, PAGE, READY = 5_000, 50, 1_000_000
PAGE_MS, ONE_MS = 50.0, 10.0
LOOKS = 200
MINUTES = """
    insert into rowline.job_minutes (minute, queue, added, completed, failed)
    select date_trunc('minute', now()) - ago * interval '1 minute', queue, 5, 4, 1
    from rowline.job_counts cross join generate_series(0, 30) as ago
"""
FILL = """
    insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at,
        delay_ms, attempts)
    select {queue}, nextval('rowline.job_numbers'), 'n', '1', '{{}}',
        case when mod(n, 10) = 0 then 'prioritized' else 'waiting' end,
        case when mod(n, 10) = 0 then mod(n, 90) + 1 else 0 end, false, n, now(), now(), 0, 1
    from generate_series(1, {number}) as n
"""


def measure() -> Iterator[Figure]:
    """Fill the table, count, note what happened in each minute, and read, each page another one."""
    with clusters.cluster() as cluster:
        url = databases.prepare(cluster.url)
        databases.run(url, FILL.format(queue=f"'queue-' || mod(n, {QUEUES})", number=QUEUES * 20))
        databases.run(url, FILL.format(queue="'big'", number=READY))
        databases.run(url, "vacuum analyze rowline.jobs")
        db = Database(Settings(statement_ms=600_000), url=url, size=1, name="rowline-measured", limit_ms=600_000)
        with db.begin() as conn:
            counts.recount(conn)
        databases.run(url, MINUTES)
        databases.run(url, "vacuum analyze rowline.job_minutes")
        starts = [nth * 997 % (QUEUES - PAGE) for nth in range(LOOKS)]
        pages_ms = _p95_ms([partial(queues.page, db, start=start, length=PAGE) for start in starts])
        one_ms = _p95_ms([partial(queues.find, db, queue="big") for _ in starts])
        db.close()
    yield Figure(
        promise=f"a page of {PAGE} of {QUEUES:,} queues within {PAGE_MS:g} ms, p95",
        seen=f"{pages_ms:.1f} ms",
        is_kept=pages_ms <= PAGE_MS,
    )
    yield Figure(
        promise=f"a queue with {READY:,} ready jobs within {ONE_MS:g} ms, p95",
        seen=f"{one_ms:.2f} ms",
        is_kept=one_ms <= ONE_MS,
    )


def _p95_ms(reads: list[Callable[[], object]]) -> float:
    reads[0]()
    took = []
    for read in reads:
        began_at = time.perf_counter()
        read()
        took.append((time.perf_counter() - began_at) * 1000)
    return percentile(took, 0.95)
