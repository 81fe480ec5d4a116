"""P10: of a job there is one live lease at a time, whoever else wants it, over a million claims."""

import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random

from app.domain.job import Completion, JsonText, Release
from app.infra.settings import Settings
from app.operations import claim, exchange, jobs, maintenance, settle
from app.postgres.database import Database
from tests.measured.figure import Figure
from tests.support import clusters, databases
from tests.support.jobs import new

CLAIMS = 1_000_000
JOBS = 50_000
CLAIMERS = 4  # processes
AT_ONCE = 200
LEASE_MS = 500  # the shortest there is: those that are left alone run out
QUEUES = ("one", "two")
COMPLETED = 0.04  # of the jobs that are claimed, so that there are some to the end
RELEASED = 0.6
OVERLAPS = """
    with every as (
        select queue, number, nth, started_at, ended_at from rowline.attempts
        union all
        select queue, number, attempts_started, processed_at, coalesce(finished_at, 'infinity')
        from rowline.jobs where status in ('active', 'completed')
    ), pairs as (
        select started_at, lag(ended_at) over (partition by queue, number order by nth) as before_ended from every
    )
    select count(*) filter (where started_at < before_ended), count(*) from pairs
"""
STARTED = "select sum(attempts_started)::bigint, count(*) filter (where status = 'completed') from rowline.jobs"


def measure() -> Iterator[Figure]:
    """Have processes fight for the same jobs, and look through what they left behind."""
    with clusters.cluster() as cluster:
        url = databases.prepare(cluster.url)
        db = Database(Settings(), url=url, size=1, name="rowline-measured", limit_ms=60_000)
        for queue in QUEUES:
            for _ in range(JOBS // 1_000 // len(QUEUES)):
                jobs.submit_many(db, queue=queue, new=[new() for _ in range(1_000)])
        stopped = threading.Event()
        recovering = threading.Thread(target=_recover, args=(db, stopped))
        recovering.start()
        with ProcessPoolExecutor(CLAIMERS, mp_context=get_context("spawn")) as pool:
            grabbed = list(pool.map(_grab, [url] * CLAIMERS, range(CLAIMERS)))
        stopped.set()
        recovering.join()
        db.close()
        [(overlaps, runs)] = databases.ask(url, OVERLAPS)
        [(started, completed)] = databases.ask(url, STARTED)
    claims, told = (sum(counts) for counts in zip(*grabbed, strict=True))
    yield Figure(
        promise=f"P10: one lease at a time in {CLAIMS:,} claims by {CLAIMERS} processes",
        seen=f"{overlaps} overlaps in {runs:,} runs of {JOBS:,} jobs",
        is_kept=overlaps == 0 and claims >= CLAIMS and runs == claims,
    )
    yield Figure(
        promise="P10: claims told of, and completions taken, are those of the table",
        seen=f"{claims:,} of {started:,}, {told:,} of {completed:,}",
        is_kept=(claims, told) == (started, completed),
    )


def _recover(db: Database, stopped: threading.Event) -> None:
    while not stopped.wait(0.05):
        maintenance.recover_stalled(db, max_stalled_count=1_000_000)


def _grab(url: str, nth: int) -> tuple[int, int]:
    """Claim, and complete, release or leave alone; return how many were claimed, and how many completed."""
    random = Random(nth)
    db = Database(Settings(), url=url, size=1, name=f"rowline-grab-{nth}", limit_ms=60_000)
    claimed = completed = 0
    while claimed < CLAIMS / CLAIMERS:
        queue = random.choice(QUEUES)
        leases = claim.claim(db, queue=queue, limit=AT_ONCE, lease_ms=LEASE_MS, worker=str(nth)).leases
        claimed += len(leases)
        cut = int(len(leases) * COMPLETED * random.random())
        done = [Completion(lease=lease.key, result=JsonText("1")) for lease in leases[:cut]]
        back = [Release(lease=lease.key) for lease in leases[cut : int(len(leases) * RELEASED)]]
        completed += len(exchange.exchange(db, queue=queue, completions=done).completed) if done else 0
        if back:
            settle.release(db, queue=queue, releases=back)
    db.close()
    return claimed, completed
