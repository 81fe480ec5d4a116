"""`make bench-terms`: what two terms cost a job that is added, and how long it takes to find jobs by them.

Jobs are added by turns without and with terms, a request each to the application in this process, and compared by the
medians, so that other work on the machine counts little.
"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import click
from flask.testing import FlaskClient

from app.domain.jobfilter import JobFilter
from app.domain.states import Status
from app.infra import settings
from app.operations import settings as queues
from app.postgres import schema
from app.postgres.database import Database
from app.store import search
from app.web import app
from tests.bench import report
from tests.support import clusters, databases
from tests.support.acting import ACTOR
from tests.support.terms import run

QUEUE = "large"
TOKEN = "a token of no value, of 32 or more characters"
GOALS = {1: "0.9", 100: "0.8"}
"""How much slower adding may be: the time without terms divided by that with two."""
FIND_GOAL = "10 ms"
LOOKS = 200
DATA = '{"customer": {"id": %d, "name": "somebody"}, "order": "a-%d", "text": "a few words that nobody looks for"}'
FILL = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, attempts_started, processed_at, finished_at, result, tags)
select 'large', nextval('rowline.job_numbers'), 'n',
    json_build_object('customer', json_build_object('id', mod(n, 1000)), 'order', 'a-' || n), '{{}}',
    case when mod(n, 1000) = 0 then 'failed' else 'completed' end, 0, false, n, now(), now(), 0, 1, 1, now(), now(),
    case when mod(n, 1000) > 0 then '1'::json end,
    array[case when mod(n, 2) = 0 then 'even' else 'odd' end, 'rare-' || n / 10]
from generate_series(1, {jobs}) as n
"""
UNCHECKED = "alter table rowline.jobs disable trigger user"


@click.command()
@click.option("--jobs", type=click.IntRange(1_000), default=500_000, show_default=True, help="With two tags each.")
@click.option("--rounds", type=click.IntRange(10), default=400, show_default=True, help="Statements of each kind.")
def bench(*, jobs: int, rounds: int) -> None:
    """Add jobs with and without terms; then find some among many."""
    chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": ""}), statement_ms=600_000)
    with clusters.cluster() as cluster:
        schema.upgrade(cluster.url)
        db = Database(chosen, url=databases.as_owner(cluster.url), size=2, name="rowline-api", limit_ms=600_000)
        client = app.create(dataclasses.replace(chosen, tokens=(TOKEN,)), db).test_client()
        print(report.table([["adding, without ÷ with two", "median", "quartile", "goal"], *_added(db, client, rounds)]))
        databases.run(cluster.url, UNCHECKED)
        databases.run(cluster.url, FILL.format(jobs=jobs))
        databases.run(cluster.url, "vacuum analyze rowline.jobs")
        queues.change_queue(db, actor=ACTOR, queue=QUEUE, keys=["customer.id"])
        began_at = time.perf_counter()
        _filled(db, cluster.url)
        print(f"\nfilled, {jobs:,} jobs, tags and a key: {time.perf_counter() - began_at:.0f} s")
        size = databases.ask(cluster.url, "select pg_size_pretty(pg_total_relation_size('rowline.terms'))")[0][0]
        print(f"terms: {3 * jobs:,}, {size}\n")
        print(report.table([["find 20", "median ms", "p99 ms", "goal"], *_found(db, jobs)]))
        db.close()


def _added(db: Database, client: FlaskClient, rounds: int) -> list[list[str]]:
    """Add jobs by turns; return how many times as long it takes without terms as with two."""
    keys = ["customer.id", "order"]
    queues.change_queue(db, actor=ACTOR, queue="keyed", keys=keys)
    queues.change_queue(db, actor=ACTOR, queue="usual", wanted={"attempts": 2})
    queues.change_queue(db, actor=ACTOR, queue="both", wanted={"attempts": 2}, keys=keys)
    rows = []
    for number, goal in GOALS.items():
        kinds = {
            "plain": partial(_add, client, "plain", number, tags=False),
            "tags": partial(_add, client, "plain", number, tags=True),
            "keys": partial(_add, client, "keyed", number, tags=False),
            "defaults": partial(_add, client, "usual", number, tags=False),
            "keys and defaults": partial(_add, client, "both", number, tags=False),
        }
        took = _by_turns(kinds, rounds if number == 1 else rounds // 4)
        for kind, base in (("tags", "plain"), ("keys", "plain"), ("keys and defaults", "defaults")):
            ratios = [f"{before / after:.2f}" for before, after in zip(took[base], took[kind], strict=True)]
            rows.append([f"{kind} against {base}, by {number}", *ratios, goal])
    return rows


def _add(client: FlaskClient, queue: str, number: int, *, tags: bool) -> None:
    jobs = [
        f'{{"name": "n", "data": {DATA % (nth % 1000, nth)}'
        + (f', "opts": {{"tags": ["eu", "vip-{nth % 50}"]}}}}' if tags else "}")
        for nth in range(number)
    ]
    body = f"[{', '.join(jobs)}]"
    answer = client.post(f"/queues/{queue}/jobs", data=body, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text


def _by_turns(kinds: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, tuple[float, float]]:
    """Call each in turn; return the median and the lower quartile of the time, in ns."""
    took: dict[str, list[int]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, act in kinds.items():
            before = time.perf_counter_ns()
            act()
            took[kind].append(time.perf_counter_ns() - before)
    return {kind: (statistics.median(each), sorted(each)[len(each) // 4]) for kind, each in took.items()}


def _filled(db: Database, url: str) -> None:
    """Fill the terms of all jobs, as if no older node had been seen for an hour."""
    run_once = "insert into rowline.term_fills (queue, path, waiting_since) values ('', '', now() - interval '1 day')"
    databases.run(url, run_once)
    run(db)
    databases.run(url, "vacuum analyze rowline.terms")


def _found(db: Database, jobs: int) -> list[list[str]]:
    looks: dict[str, Callable[[int], JobFilter]] = {
        "a tag of ten jobs": lambda nth: JobFilter(tags=(f"rare-{(nth * 37) % (jobs // 10)}",)),
        "a tag of half of all": lambda _: JobFilter(tags=("even",)),
        "both": lambda nth: JobFilter(tags=("odd", f"rare-{(nth * 37) % (jobs // 10)}")),
        "a tag of half of all, of failed jobs": lambda _: JobFilter(tags=("even",), statuses=(Status.FAILED,)),
        "a key of a thousandth": lambda nth: JobFilter(data=(("customer.id", str(nth)),)),
        "a key and a tag": lambda nth: JobFilter(tags=("even",), data=(("customer.id", str(2 * nth)),)),
        "no job": lambda _: JobFilter(tags=("none",)),
    }
    rows = []
    for name, wanted in looks.items():
        took = []
        for nth in range(LOOKS):
            began_at = time.perf_counter()
            with db.read() as conn:
                found = search.search(conn, queue=QUEUE, wanted=wanted(nth), most=20)
            took.append((time.perf_counter() - began_at) * 1000)
            assert found.is_complete, name
        ordered = sorted(took)
        rows.append([name, f"{statistics.median(took):.2f}", f"{ordered[int(LOOKS * 0.99)]:.2f}", FIND_GOAL])
    return rows


if __name__ == "__main__":
    bench()
