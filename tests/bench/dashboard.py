"""`make bench-dashboard`: how long pages of the dashboard take, what a first view weighs, and what open tabs cost.

1. pages: the server's time for each page and each region of it, beside 5,000 queues. `DASHBOARD="--large build/large"`:
   beside the jobs of `make seed-large` too. What it adds goes again.
2. view: what a first view of the list of queues loads in Chromium, and when it can be used, on a slow 4G network.
3. tabs: adding and working at a rate, beside open tabs that are live and with none, by turns.
"""

import contextlib
import dataclasses
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import rowline

from app.infra import settings
from app.operations import jobs, maintenance
from app.postgres import schema
from app.postgres.database import Database
from tests.bench import elsewhere, events, large, metrics, report, tabs
from tests.bench.sample import percentile
from tests.support import browser as chromium
from tests.support import clusters, databases, raw
from tests.support.jobs import new

PAGE_MS, VIEW_BYTES, VIEW_S, LOST = 100.0, 150_000, 1.5, 0.10
"""The goals: of a page at the 95th percentile, of a first view, and the share of a load that tabs may take."""
SLOW = {"bits_per_s": 1_600_000, "latency_ms": 150}
QUEUE, LOADED = "bench-metrics-dashboard", "bench-metrics-load"  # go with what the bench of metrics fills
FAILED, GROUPS, ACTIVE = 500, 10, 100
PAGES = {
    "queues": "",
    "queues by name": "?name=metrics-4",
    "a queue": "queues/{large}",
    "a queue, completed": "queues/{large}?statuses=completed",
    "a queue, failed": f"queues/{QUEUE}?statuses=failed",
    "a queue, by name": "queues/{large}?name=none",
    "a job that waits": "queues/{large}/jobs/{waiting}",
    "a job that failed": f"queues/{QUEUE}/jobs/f0",
    "add a job": "queues/{large}/add",
    "failures": "failures",
    "failures of a queue": f"queues/{QUEUE}/failures",
    "running": "running",
    "plans": "plans",
    "plans of a queue": "queues/{large}/plans",
    "search, an error": "search?error=host&statuses=failed",
    "search, all": "search?name=none",
    "schedules": "queues/{large}/schedules",
    "charts": "queues/{large}/charts",
    "charts, hours": "queues/{large}/charts?step=hour",
    "charts, days": "queues/{large}/charts?step=day",
    "workers": "queues/{large}/workers",
    "endpoints": "endpoints",
    "doctor": "doctor",
    "tokens": "tokens",
    "audit": "audit",
}
HOUR = """
insert into rowline.job_minutes (minute, queue, added, completed, failed)
select date_trunc('minute', now()) - ago * interval '1 minute', 'bench-metrics-' || nth,
    (ago * 7 + nth) % 11, (ago * 5 + nth) % 11, (ago + nth) % 2
from generate_series(1, {queues}) as nth cross join generate_series(7, 60) as ago
on conflict do nothing  -- a minute may have begun since those were written
"""
"""What happened in each queue before what the bench of metrics says."""
OPEN = ("", "", f"queues/{QUEUE}", "queues/{loaded}", "queues/{loaded}?statuses=completed", "running")
"""What tabs show, over and over."""
TIMES = """
const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
const page = performance.getEntriesByType("navigation")[0];
const paint = performance.getEntriesByName("first-contentful-paint")[0];
return {bytes: all.reduce((sum, one) => sum + one.transferSize, 0), requests: all.length,
  paint: paint?.startTime ?? 0, ready: page.domContentLoadedEventEnd, loaded: page.loadEventEnd};
"""


class Stage(NamedTuple):
    """A service, and the database below it."""

    url: str
    port: int
    cookie: str
    large: str  # the queue with most jobs


@click.command()
@click.option("--only", type=click.Choice(["pages", "view", "tabs"]), multiple=True, help="Not the others.")
@click.option("--large", "home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--queues", type=click.IntRange(1), default=5_000, show_default=True)
@click.option("--each", type=click.IntRange(1), default=20, show_default=True, help="Ready jobs in each of them.")
@click.option("--looks", type=click.IntRange(1), default=100, show_default=True, help="At each page and region.")
@click.option("--views", type=click.IntRange(1), default=5, show_default=True)
@click.option("--open", "count", type=click.IntRange(1, 190), default=50, show_default=True, help="Tabs.")
@click.option("--rate", type=click.FloatRange(1), default=5_000.0, show_default=True, help="Jobs a second.")
@click.option("--batch", type=click.IntRange(1, 1_000), default=50, show_default=True, help="Jobs of a request.")
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True, help="Of a round with the load.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Of each side, by turns.")
def bench(
    *, only: tuple[str, ...], home: Path | None, queues: int, each: int, looks: int, views: int, **load: Any
) -> None:
    """Look at the dashboard."""
    with elsewhere.allowed(), staged(home, queues=queues, each=each) as stage:
        if not only or "pages" in only:
            print(f"{report.table(_pages(stage, looks))}\n", flush=True)
        if not only or "view" in only:
            print(f"{report.table(_viewed(stage, views))}\n", flush=True)
        if not only or "tabs" in only:
            print(f"{report.table(_crowded(stage, **load))}\n", flush=True)


@contextlib.contextmanager
def staged(home: Path | None, *, queues: int, each: int) -> Iterator[Stage]:
    """Fill a database, and serve it during the block."""
    with clusters.cluster() if home is None else clusters.cluster(home=home.absolute()) as cluster:
        schema.upgrade(cluster.url)
        url = databases.as_owner(cluster.url)
        chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": url}), statement_ms=600_000)
        db = Database(chosen, url=url, size=1, name="rowline-bench", limit_ms=600_000)
        source = metrics.QUEUE if home is None else large.QUEUE
        if home is None:
            jobs.submit_many(db, queue=source, new=[new()])
        try:
            metrics.fill(url, source=source, queues=queues, each=each)
            databases.run(url, HOUR.format(queues=queues))
            maintenance.fold_counts(db)
            with raw.server(url, ROWLINE_API_PROCESSES="1") as server:
                _happen(server.port)
                visit = tabs.Visit(server.port)
                visit.sign_in(raw.TOKEN)
                yield Stage(url, server.port, visit.cookie, source)
        finally:
            for table in metrics.TABLES:
                databases.run(url, metrics.AWAY.format(table=table))
            db.close()


def _happen(port: int) -> None:
    """Have jobs that failed, in groups, and jobs that run."""
    with rowline.Rowline(f"http://127.0.0.1:{port}", raw.TOKEN) as api:
        queue = api.queue(QUEUE)
        queue.add_many([rowline.NewJob(name="n", data=events.DATA, job_id=f"f{nth}") for nth in range(FAILED)])
        leases = queue.claim(FAILED)
        failures = [
            rowline.Failure(
                lease=lease, failed_reason=f"{'abcdefghijkl'[nth % GROUPS]}: no such host", unrecoverable=True
            )
            for nth, lease in enumerate(leases)
        ]
        queue.finish(failures)
        queue.add_many([rowline.NewJob(name="n", data=events.DATA)] * (2 * ACTIVE))
        queue.claim(ACTIVE, lock_duration_ms=3_600_000)


def _pages(stage: Stage, looks: int) -> list[list[str]]:
    """Look at each page and each of its regions; return rows, the slowest first."""
    [(waiting,)] = databases.ask(
        stage.url,
        f"select coalesce(custom_id, number::text) from rowline.jobs where queue = '{stage.large}' "
        "and status = 'waiting' order by priority, place limit 1",
    )
    [(every, named)] = databases.ask(
        stage.url, "select sum(waiting + delayed + completed + failed)::bigint, count(*) from rowline.job_counts"
    )
    visit = tabs.Visit(stage.port, stage.cookie)
    took: dict[str, list[float]] = {}
    for name, where in PAGES.items():
        path = where.format(large=stage.large, waiting=waiting)
        status, page, _ = visit.get(path)
        assert status == 200, (name, status)
        took[name] = _times(lambda path=path: visit.get(path), looks)  # type: ignore[misc]
        if regions := tabs.regions(page):
            part = tabs.fragment(path, *regions)
            took[f"{name}: its regions"] = _times(lambda part=part: visit.get(part), looks)  # type: ignore[misc]
        print(f"{name}: {percentile(took[name], 0.95):.0f} ms", file=sys.stderr, flush=True)
    rows = [[f"{every:,} jobs, {named:,} queues", "p50 ms", "p95 ms", "most ms", f"goal {PAGE_MS:.0f} ms"]]
    for name, times in sorted(took.items(), key=lambda one: -percentile(one[1], 0.95)):
        p95 = percentile(times, 0.95)
        shown = [f"{value:.1f}" for value in (statistics.median(times), p95, max(times))]
        rows.append([name, *shown, "yes" if p95 < PAGE_MS else "NO"])
    return rows


def _times(look: Callable[[], object], looks: int) -> list[float]:
    """Return how long looks take, in ms, after a first one."""
    look()
    took = []
    for _ in range(looks):
        began_at = time.perf_counter()
        look()
        took.append((time.perf_counter() - began_at) * 1000)
    return took


def _viewed(stage: Stage, views: int) -> list[list[str]]:
    """View the list of queues in Chromium for the first time, again and again, on a slow network."""
    if not shutil.which("chromedriver"):
        sys.exit("a first view needs Chromium: apt-get install chromium chromium-driver; --only pages goes without")
    root, found = f"http://127.0.0.1:{stage.port}{tabs.ROOT}", list[dict[str, float]]()
    with chromium.browser() as browser:
        browser.open(f"{root}login")
        browser.press(raw.TOKEN + chromium.ENTER)
        browser.wait("return document.title", lambda title: title == "Queues - Rowline")
        browser.slow(**SLOW)
        for _ in range(views):
            browser.open("about:blank")
            browser.open(root)
            browser.wait("return performance.getEntriesByType('navigation')[0].loadEventEnd", bool)
            found.append(browser.run(TIMES))
    rows = [["a first view, 1.6 Mbit/s and 150 ms", "median", "most", "goal", ""]]
    sent, usable = [one["bytes"] for one in found], [max(one["paint"], one["ready"]) / 1000 for one in found]
    rows.append(
        [
            "bytes",
            f"{statistics.median(sent):,.0f}",
            f"{max(sent):,.0f}",
            f"{VIEW_BYTES:,}",
            _is(max(sent) < VIEW_BYTES),
        ]
    )
    rows.append(
        [
            "usable after, s",
            f"{statistics.median(usable):.2f}",
            f"{max(usable):.2f}",
            f"{VIEW_S}",
            _is(statistics.median(usable) < VIEW_S),
        ]
    )
    for name in ("paint", "loaded"):
        times = [one[name] / 1000 for one in found]
        rows.append([f"{name}, s", f"{statistics.median(times):.2f}", f"{max(times):.2f}", "", ""])
    rows.append(["requests", f"{found[0]['requests']:.0f}", "", "", ""])
    return rows


def _is(reached: object) -> str:
    return "yes" if reached else "NO"


def _crowded(stage: Stage, *, count: int, rate: float, batch: int, seconds: float, rounds: int) -> list[list[str]]:
    """Add and work at a rate beside tabs and without, by turns; return rows with the ratio."""
    paths = [OPEN[nth % len(OPEN)].format(loaded=LOADED) for nth in range(count)]
    fetched: list[tuple[float, int]] = []

    def alone() -> float:
        return _paced(stage.port, rate=rate, batch=batch, seconds=seconds)

    def crowded() -> float:
        with events.beside(tabs.keep_open, stage.port, stage.cookie, paths) as opened:
            found = alone()
            opened.send(0)
            a_second, alive, refused = opened.recv()
            assert alive == count, f"{alive} of {count} tabs are open"
            fetched.append((a_second, refused))
        return found

    alone()  # begins the queue
    rows = events.by_turns({"no tab": alone, f"{count} tabs": crowded}, rounds)
    lost = 1 - float(rows[1][2])
    head = [f"added and worked, {rate:,.0f} jobs/s asked", "jobs/s", "ratio", "min to max"]
    return [
        head,
        *rows,
        [f"lost {lost:.0%}, goal {LOST:.0%}: {_is(lost <= LOST)}", "", "", ""],
        [f"tabs fetched {statistics.median(one[0] for one in fetched):,.0f} times a second", "", "", ""],
        [f"{sum(one[1] for one in fetched):,} times that was refused, or a stream ended", "", "", ""],
    ]


def _paced(port: int, *, rate: float, batch: int, seconds: float) -> float:
    """Add and work batches at a rate, if that can be; return how many jobs a second."""
    with rowline.Rowline(f"http://127.0.0.1:{port}", raw.TOKEN) as api:
        queue, done, began_at = api.queue(LOADED), 0, time.perf_counter()
        while (took_s := time.perf_counter() - began_at) < seconds:
            if done <= rate * took_s:
                events.add(queue, batch)
                done += events.work(queue, batch)
            else:
                time.sleep(min(0.001, batch / rate))
        return done / took_s


if __name__ == "__main__":
    bench()
