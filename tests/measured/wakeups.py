"""P25: wake-ups are hints. Without them jobs start a poll later, and no fewer are done."""

import statistics
import time
from collections.abc import Iterator

from app.domain.job import JsonText
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from app.postgres.wakeups import PROOF_S
from tests.chaos.load import Load, Pace
from tests.chaos.stand import Ground
from tests.checker.record import Recorder
from tests.measured.figure import Figure, at_least
from tests.support import clusters, databases, faultproxy, raw
from tests.support.faultproxy import Fault
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, written

ROUNDS = 3
ROUND_S = 10.0
SHARE = 0.8
SINGLE = 10
POLL_S = 1.0  # as shipped
LATE_S = 0.3
HANDLERS = """
    @rowline.handler("n")
    def run(job):
        pass
"""
ENDED = "select count(*) from rowline.jobs where status = 'completed'"


def measure() -> Iterator[Figure]:
    """Add and work jobs with wake-ups and without, by turns; then single ones, without."""
    done: dict[Fault, list[float]] = {Fault.NONE: [], Fault.DROP_NOTIFICATIONS: []}
    with clusters.cluster() as cluster, clusters.folder() as folder, faultproxy.before(cluster.url) as proxy:
        databases.prepare(cluster.url)
        url = databases.as_runtime(proxy.url)
        history = Recorder(folder / "history.jsonl")
        with raw.server(url) as server, WorkerProgram(url, written(folder, HANDLERS)):
            pace = Pace(queues=(QUEUE,), pause_s=0.01)
            with Load([server.port], history, seed=1, producers=4, pullers=0, pace=pace):
                for fault in [*done] * ROUNDS:
                    proxy.fault = fault
                    time.sleep(PROOF_S + 2 * POLL_S)  # until all know whether wake-ups are heard
                    before, began_at = _ended(cluster.url), time.monotonic()
                    time.sleep(ROUND_S)
                    done[fault].append((_ended(cluster.url) - before) / (time.monotonic() - began_at))
            proxy.fault = Fault.DROP_NOTIFICATIONS
            waits = [_pickup_s(cluster.url) for _ in range(SINGLE)]
        history.close()
    with_them, without = (statistics.median(found) for found in done.values())
    yield at_least("P25: jobs done without wake-ups", without / with_them, SHARE, f"of {with_them:.0f} jobs/s")
    yield Figure(
        promise=f"P25: an idle worker takes a job within {POLL_S + LATE_S:g} s without wake-ups",
        seen=f"{max(waits):.2f} s at most of {SINGLE}",
        is_kept=max(waits) <= POLL_S + LATE_S,
    )


def _ended(url: str) -> int:
    return int(databases.ask(url, ENDED)[0][0])


def _pickup_s(url: str) -> float:
    """Add a job when all others have ended; return how long it waits for its worker."""
    waited = "select extract(epoch from processed_at - added_at)::float8 from rowline.jobs order by number desc limit 1"
    clusters.until(lambda: not Ground(url).open_jobs(), within_s=60)
    db = Database(Settings(), url=url, size=1, name="rowline-measured")
    jobs.submit_many(db, queue=QUEUE, new=[new(data=JsonText("1"))])
    db.close()
    clusters.until(lambda: not Ground(url).open_jobs(), within_s=60)
    return float(databases.ask(url, waited)[0][0])
