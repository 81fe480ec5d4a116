"""`make bench-deduplication`: the CPU of PostgreSQL that jobs with a deduplication id take, beside plain ones."""

import dataclasses
import os
import statistics
import uuid
from collections.abc import Callable

import click

from app.domain.deduplication import Deduplication
from app.domain.job import NewJob
from app.infra import settings
from app.operations import jobs
from app.postgres import schema
from app.postgres.database import Database
from tests.bench import cpu, report
from tests.support import clusters, databases
from tests.support.jobs import new

HOUR_MS = 3_600_000
MODES = {
    "simple": Deduplication(id=""),
    "window": Deduplication(id="", ttl_ms=HOUR_MS),
    "keeps the last": Deduplication(id="", keeps_last=True),
    "replaces": Deduplication(id="", ttl_ms=HOUR_MS, replaces=True, extends=True),
}
BACKENDS = "select pid from pg_stat_activity where application_name like 'rowline-bench%'"
Batch = Callable[[int], list[NewJob]]
CALLS = {1: 300, 100: 20}
"""Calls of a round, by the jobs of each."""


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
def bench(*, rounds: int) -> None:
    """Add plain jobs, and jobs of each mode, anew and again, by turns."""
    chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": ""}), statement_ms=600_000)
    with clusters.cluster() as cluster:
        schema.upgrade(cluster.url)
        db = Database(chosen, url=databases.as_owner(cluster.url), size=1, name="rowline-bench")
        for _ in range(2):  # the connections that write and read
            jobs.submit_many(db, queue="bench", new=[new(deduplication=Deduplication(id="first"))])
        backends = [int(pid) for (pid,) in databases.ask(cluster.url, BACKENDS)]
        table = [["CPU of the backend, µs a job", *(f"arrays of {size}" for size in CALLS), "of plain"]]
        taken: dict[str, dict[int, list[float]]] = {}
        for _ in range(rounds):
            for size, calls in CALLS.items():
                for name, batch in _batches(size).items():
                    before = sum(map(cpu.scheduled_ns, backends))
                    for nth in range(calls):
                        jobs.submit_many(db, queue="bench", new=batch(nth))
                    us = (sum(map(cpu.scheduled_ns, backends)) - before) / 1000 / calls / size
                    taken.setdefault(name, {}).setdefault(size, []).append(us)
        medians = {name: {size: statistics.median(us) for size, us in by.items()} for name, by in taken.items()}
        for name, by in medians.items():
            ratios = ", ".join(f"{us / medians['plain'][size]:.2f}" for size, us in by.items())
            table.append([name, *(f"{us:.0f}" for us in by.values()), ratios])
        print(report.table(table))
        db.close()


def _batches(size: int) -> dict[str, Batch]:
    """Return what is added in a call, by its name: jobs whose ids are new, and such whose ids are held."""
    data = '{"to": "ada@example.com", "order": 4711}'
    batches: dict[str, Batch] = {"plain": lambda _nth: [new(data=data)] * size}
    for name, mode in MODES.items():
        mark = uuid.uuid4().hex
        delay_ms = HOUR_MS if mode.replaces else 0

        def fresh(nth: int, mode: Deduplication = mode, mark: str = mark, delay_ms: int = delay_ms) -> list[NewJob]:
            ids = [f"{mark}-{nth}-{one}" for one in range(size)]
            return [new(data=data, delay_ms=delay_ms, deduplication=mode._replace(id=one)) for one in ids]

        batches[f"{name}, new"] = fresh
        batches[f"{name}, again"] = fresh  # the same ids, which are held now
    return batches


if __name__ == "__main__":
    bench()
