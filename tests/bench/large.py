"""`make seed-large`: a database of 10,000,000 jobs in one queue, which stays, and how long looks at it take.

Its rows went the way of all jobs, or are copies of such rows. `ROWLINE_HOME=… make run` serves it.
"""

import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import psycopg

from app.domain.jobfilter import JobFilter
from app.domain.states import Status
from app.infra import settings
from app.postgres import libpq, schema
from app.postgres.database import Database
from app.queries import jobs as pages
from app.queries import queues
from app.queries.find import Finder, Sought
from app.queries.jobs import Part
from tests.bench import depths, report
from tests.bench.place import Place
from tests.bench.sample import percentile
from tests.support import clusters

QUEUE = "large"
PARTS: dict[str, tuple[float, Callable[..., None]]] = {
    "completed": (0.5, depths.finished),
    "delayed": (0.1, depths.delayed),
    "waiting": (0.4, depths.waiting),
}
"""What share of the jobs has which status, and what adds them."""
LOOKS = 100
STEPS = {
    "name": JobFilter(name="none"),
    "data": JobFilter(data=(("customer.id", "none"),)),
    "error": JobFilter(error="none", statuses=(Status.COMPLETED,)),
    "time": JobFilter(name="none", since_ms=1),
}


@click.command()
@click.option("--jobs", type=click.IntRange(1_000), default=10_000_000, show_default=True)
@click.option("--finished", type=click.IntRange(0), help="Completed jobs, instead of their share.")
@click.option("--ready", type=click.IntRange(0), help="Waiting jobs, instead of their share.")
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), default=Path("build/large"), show_default=True
)
def seed(*, jobs: int, finished: int | None, ready: int | None, home: Path) -> None:
    """Make the database, say what it took, and look at it."""
    chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": ""}), statement_ms=600_000)
    with clusters.cluster(home=home.absolute()) as cluster, contextlib.ExitStack() as stack:
        schema.upgrade(cluster.url)
        connection = stack.enter_context(psycopg.connect(libpq.normal(cluster.url), autocommit=True))
        place = Place(
            connection=connection,
            chosen=chosen,
            url=cluster.url,
            token=secrets.token_urlsafe(24),
            folder=stack.enter_context(clusters.folder()),
            seconds=1,
            backlog=1,
        )
        (before,) = place.ask("select count(*) from rowline.jobs")
        if before:
            raise click.ClickException(f"{home} has jobs already: {before:,}")
        wanted, every = {"completed": finished, "waiting": ready}, 0
        for name, (share, add) in PARTS.items():
            began_at, count = time.monotonic(), wanted.get(name)
            count = round(jobs * share) if count is None else count
            every += count
            add(place, count, queue=QUEUE)
            print(f"{count:,} {name}: {time.monotonic() - began_at:.0f} s", flush=True)
        (size,) = place.ask("select pg_size_pretty(pg_total_relation_size('rowline.jobs'))")
        print(f"{size} in all; {home} stays: ROWLINE_HOME={home.absolute()} make run\n")
        db = Database(chosen, url=cluster.url, size=1, name="rowline-large", limit_ms=600_000)
        print(report.table(_looked(db, every)))


def _step(finder: Finder, jobs: int, wanted: JobFilter, steps: list[int], nth: int) -> None:
    """Look for what is not there, from a place that differs each time."""
    after = jobs * (nth + 2) // (LOOKS + 2)
    found = finder.find(queue=QUEUE, sought=Sought(wanted=wanted, length=20, newest_first=True, after=after))
    assert not found.jobs
    steps.append(found.looked_at)


def _page(read: pages.Pages, statuses: tuple[Status, ...], nth: int) -> pages.Page:
    return read.read(queue=QUEUE, part=Part(statuses=statuses, start=nth, length=50))


def _looked(db: Database, jobs: int) -> list[list[str]]:
    """Look at the queue in several ways; return the times."""
    read = pages.Pages(db)
    looks: dict[str, Callable[[int], object]] = {
        "GET /queues/:queue": lambda _: queues.find(db, queue=QUEUE),
        "GET /queues": lambda _: queues.page(db, start=0, length=50),
    }
    for name, statuses in (("all", tuple(Status)), ("waiting", (Status.WAITING,)), ("completed", (Status.COMPLETED,))):
        looks[f"a page of 50, {name}"] = partial(_page, read, statuses)
    finder = Finder(db)
    steps: list[int] = []
    for name, wanted in STEPS.items():
        looks[f"a step of a search by {name}"] = partial(_step, finder, jobs, wanted, steps)
    rows = [["look", "p50 ms", "p95 ms"]]
    for name, look in looks.items():
        look(0)
        took = []
        for nth in range(LOOKS):
            began_at = time.perf_counter()
            look(nth)
            took.append((time.perf_counter() - began_at) * 1000)
        rows.append([name, f"{percentile(took, 0.5):.2f}", f"{percentile(took, 0.95):.2f}"])
    db.close()
    print(f"a step of a search looks at {min(steps):,} jobs at least, {percentile(steps, 0.5):,.0f} in the middle\n")
    return rows


if __name__ == "__main__":
    seed()
