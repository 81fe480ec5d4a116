"""P16: jobs that kill their process fail, and those beside them go on at nearly the same rate."""

import signal
import statistics
from collections.abc import Iterator
from pathlib import Path

from app.domain.attempts import STALLED_REASON
from app.domain.job import JsonText
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.chaos.stand import Ground
from tests.measured.figure import Figure, at_least
from tests.support import clusters, databases
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, written

ROUNDS = 2
JOBS = 2_000
POISON = 100  # one in so many
CROWDS = ((8, 1, 0.9), (4, 4, 0.8))
"""Processes, threads of each, and what is left of the rate: a process that dies takes all its threads along."""
RUN_S = 0.1
HANDLERS = f"""
    @rowline.handler("healthy")
    def healthy(job):
        time.sleep({RUN_S})

    @rowline.handler("poison")
    def poison(job):
        time.sleep({RUN_S})
        os._exit(1)
"""
RATE = """
    select count(*) / extract(epoch from max(finished_at) - min(processed_at))::float8
    from rowline.jobs where status = 'completed'
"""
ENDS = """
    select name, status, failed_reason, count(*) from rowline.jobs
    where name <> 'healthy' or status <> 'completed' group by 1, 2, 3
"""


def measure() -> Iterator[Figure]:
    """Work the same backlog with poison in it and without, by turns."""
    for processes, threads, share in CROWDS:
        rates: dict[int, list[float]] = {0: [], POISON: []}
        ends: set[tuple[object, ...]] = set()
        with clusters.cluster() as cluster, clusters.folder() as folder:
            url = databases.prepare(cluster.url)
            for poison, found in [*rates.items()] * ROUNDS:
                _work(url, folder, poison=poison, processes=processes, threads=threads)
                found.append(databases.ask(url, RATE)[0][0])
                ends |= set(databases.ask(url, ENDS))
        crowd = f"{processes} x {threads} jobs at once"
        yield at_least(
            f"P16: throughput beside 1 % of poison, {crowd}",
            statistics.median(rates[POISON]) / statistics.median(rates[0]),
            share,
            f"of {statistics.median(rates[0]):.0f} jobs/s",
        )
        yield Figure(
            promise=f"P16: poison fails as stalled and nothing else does, {crowd}",
            seen="; ".join(f"{count} x {name} {status}" for name, status, _reason, count in ends),
            is_kept=ends == {("poison", "failed", STALLED_REASON, JOBS // POISON)},
        )


def _work(url: str, folder: Path, *, poison: int, processes: int, threads: int) -> None:
    databases.run(url, "truncate rowline.jobs cascade")
    _fill(url, poison)
    settings = {"worker_processes": processes, "worker_threads": threads}
    with WorkerProgram(url, written(folder, HANDLERS), **settings) as worker:
        clusters.until(lambda: not Ground(url).open_jobs(), within_s=300)
        worker.end(signal.SIGTERM, within_s=60)


def _fill(url: str, poison: int) -> None:
    db = Database(Settings(), url=url, size=1, name="rowline-measured", limit_ms=60_000)
    names = ["poison" if poison and nth % poison == poison // 2 else "healthy" for nth in range(JOBS)]
    jobs.submit_many(db, queue=QUEUE, new=[new(name, data=JsonText("1")) for name in names])
    db.close()
