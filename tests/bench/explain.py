"""`make bench-explain`: how far `start` of an explanation is off on a steady queue, and how long explanations take.

`EXPLAIN="--large build/large"` looks at the database of `make seed-large` instead.
"""

import contextlib
import dataclasses
import os
import random
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import rowline

from app.domain.job import JsonText, NewJob
from app.domain.states import READY
from app.infra import settings
from app.operations import jobs
from app.postgres import schema
from app.postgres.database import Database
from app.queries import explain, queues
from tests.bench import large, report
from tests.bench.sample import percentile
from tests.support import clusters, databases, raw
from tests.support.clusters import PYTHON, Program

QUEUE = "bench"
GOAL = 0.9  # of the samples: from half of p50 to twice p90
GOAL_MS = 20.0
LOOKS = 100
LOOK_S = 0.2
BEFORE = (10, 100, 1_000, 1_000_000)
"""The samples are shown by how many jobs were before them."""
HANDLERS = """
import random, time
import rowline

@rowline.handler("n")
def run(job):
    time.sleep(min(job.data, random.expovariate(1 / job.data)) if job.data else 0)
"""
_A_READY_ONE = """
select number from rowline.jobs where queue = '{queue}' and status in ('waiting', 'prioritized')
order by priority, place offset {nth} limit 1
"""
_BEGUN = "select processed_at from rowline.jobs where number = {number} and attempts_started > 0"


class Told(NamedTuple):
    """What was told of a job."""

    number: int
    at: datetime
    ahead: int
    p50_s: float
    p90_s: float


@click.command()
@click.option("--samples", type=click.IntRange(10), default=300, show_default=True, help="One a second.")
@click.option("--warm", type=click.IntRange(1), default=6, show_default=True, help="Minutes before the first sample.")
@click.option("--backlog", type=click.IntRange(1), default=1_000, show_default=True, help="Jobs that are kept ready.")
@click.option("--run-ms", type=click.IntRange(0), default=200, show_default=True, help="How long a job takes at most.")
@click.option("--slots", type=click.IntRange(1), default=10, show_default=True, help="Jobs that the worker runs.")
@click.option("--large", "home", type=click.Path(exists=True, file_okay=False, path_type=Path))
def bench(*, samples: int, warm: int, backlog: int, run_ms: int, slots: int, home: Path | None) -> None:
    """Compare what was told with what happened; or time explanations of a large queue."""
    chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": ""}), statement_ms=600_000)
    if home is not None:
        with clusters.cluster(home=home.absolute()) as cluster:
            print(report.table(_looked(cluster.url)))
        return
    with clusters.cluster() as cluster:
        schema.upgrade(cluster.url)
        db = Database(chosen, url=cluster.url, size=3, name="rowline-bench")
        with _steady(db, cluster.url, backlog=backlog, run_s=run_ms / 1000, slots=slots):
            _wait_minutes(warm)
            told = [*_asked(db, cluster.url, samples)]
            waits = [(one, _waited_s(cluster.url, one)) for one in told]
        db.close()
    print(report.table(_compared(waits)))


@contextlib.contextmanager
def _steady(db: Database, url: str, *, backlog: int, run_s: float, slots: int) -> Iterator[None]:
    """Have a worker on a queue that is filled up all the time."""
    is_over = threading.Event()

    def fill() -> None:
        while not is_over.wait(LOOK_S):
            ready = sum(queues.find(db, queue=QUEUE).counts[status] for status in READY)
            if lacking := backlog - ready:
                new = [NewJob(name="n", data=JsonText(str(run_s))) for _ in range(max(0, lacking))]
                jobs.submit_many(db, queue=QUEUE, new=new)

    with clusters.folder() as folder:
        handlers = folder / "handlers.py"
        handlers.write_text(textwrap.dedent(HANDLERS))
        words = ["work", "--queue", QUEUE, "--handlers", str(handlers), "--processes", "1", "--threads", str(slots)]
        with Program([*PYTHON, "-m", "app", *words], env={"DATABASE_URL": url}) as worker:
            worker.expect("worker_started")
            filling = threading.Thread(target=fill)
            filling.start()
            try:
                yield
            finally:
                is_over.set()
                filling.join()


def _wait_minutes(minutes: int) -> None:
    """Wait until so many minutes are over that the pace is known of."""
    time.sleep(60 - time.time() % 60 + minutes * 60 + 2)  # seconds: what happened last is folded


def _asked(db: Database, url: str, samples: int) -> Iterator[Told]:
    """Ask of a job anywhere in the line, once a second."""
    chance = random.Random(7)
    for nth in range(samples):
        ready = sum(queues.find(db, queue=QUEUE).counts[status] for status in READY)
        found = databases.ask(url, _A_READY_ONE.format(queue=QUEUE, nth=int(ready * chance.random())))
        for (number,) in found:
            told = explain.job(db, queue=QUEUE, job_id=str(number))
            if told.start is not None and told.ahead is not None:
                p50_s, p90_s = ((moment - told.at).total_seconds() for moment in told.start)
                yield Told(number, told.at, told.ahead.jobs, p50_s, p90_s)
        if nth % 60 == 0:
            print(f"{nth} of {samples} samples", flush=True)
        time.sleep(1)


def _waited_s(url: str, one: Told) -> float:
    """Return how long the job waited from then on, once it has begun."""
    while not (found := databases.ask(url, _BEGUN.format(number=one.number))):
        time.sleep(LOOK_S)
    [(begun_at,)] = found
    return float((begun_at - one.at).total_seconds())


def _compared(waits: list[tuple[Told, float]]) -> list[list[str]]:
    rows = [
        ["jobs before", "samples", "within p50/2 to 2 p90", "before p90", "wait / p50: 10 %", "50 %", "90 %", "goal"]
    ]
    low = 0
    for high in BEFORE:
        mine = [(one, wait_s) for one, wait_s in waits if low <= one.ahead < high]
        rows += [_row(f"{low:,} to {high - 1:,}", mine)] if mine else []
        low = high
    return [*rows, _row("all", waits)]


def _row(name: str, waits: list[tuple[Told, float]]) -> list[str]:
    within = sum(one.p50_s / 2 <= wait_s <= 2 * one.p90_s for one, wait_s in waits) / len(waits)
    before = sum(wait_s <= one.p90_s for one, wait_s in waits) / len(waits)
    ratios = [wait_s / one.p50_s for one, wait_s in waits]
    shown = [f"{percentile(ratios, share):.2f}" for share in (0.1, 0.5, 0.9)]
    return [name, f"{len(waits):,}", f"{within:.0%}", f"{before:.0%}", *shown, f"{GOAL:.0%}"]


def _looked(url: str) -> list[list[str]]:
    """Look at jobs of a large queue by HTTP and by the query itself; return the times."""
    db = Database(settings.from_env(os.environ | {"DATABASE_URL": url}), url=url, size=1, name="rowline-bench")
    ready = sum(queues.find(db, queue=large.QUEUE).counts[status] for status in READY)
    places = {"first": 0, "10,000th": 9_999, "20,000th": 19_999, "middle": ready // 2, "last": ready - 1}
    rows = [[f"{ready:,} ready", "query, p50 ms", "p95 ms", "HTTP, p50 ms", "p95 ms", "goal ms"]]
    with raw.server(url) as server, rowline.Rowline(f"http://127.0.0.1:{server.port}", raw.TOKEN) as api:
        queue = api.queue(large.QUEUE)
        for name, nth in places.items():
            asked = _A_READY_ONE.format(queue=large.QUEUE, nth=min(nth, ready - 1))
            [(number,)] = databases.ask(url, asked)
            by_query = partial(explain.job, db, queue=large.QUEUE, job_id=str(number))
            took = _took(by_query, partial(queue.explain, str(number)))
            rows.append([f"the {name} job", *took, f"{GOAL_MS:.0f}"])
        took = _took(partial(explain.queue, db, queue=large.QUEUE), queue.explain)
        rows.append(["the queue", *took, f"{GOAL_MS:.0f}"])
        scale = partial(explain.scale, db, queue=large.QUEUE, target_s=60, per_worker=10)
        rows.append(["scaling", *_took(scale, queue.scaling), ""])
    db.close()
    return rows


def _took(*ways: Callable[[], object]) -> list[str]:
    """Return the median and the 95th percentile of each way, in ms."""
    shown = []
    for look in ways:
        look()
        took = []
        for _ in range(LOOKS):
            began_at = time.perf_counter()
            look()
            took.append((time.perf_counter() - began_at) * 1000)
        shown += [f"{percentile(took, share):.2f}" for share in (0.5, 0.95)]
    return shown


if __name__ == "__main__":
    bench()
