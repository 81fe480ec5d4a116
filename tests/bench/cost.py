"""What a job costs over its life: WAL, heap, index, statements. On a server of its own, which counts statements."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from app.infra.settings import Settings
from tests.bench import driven, jobs, place, programs, report, working
from tests.bench.place import Place

COUNTING = ("-c", "shared_preload_libraries=pg_stat_statements", "-c", "pg_stat_statements.track=top")
JOBS = 20_000
SECONDS = 1
_CALLS = "select coalesce(sum(calls), 0)::int from pg_stat_statements where query not like all (%s)"
_OURS = ["%pg_stat_statements%", "%pg_current_wal%", "checkpoint%", "truncate%", "analyze%", "select count(*)%"]
_SIZES = "select pg_table_size('rowline.jobs'), pg_indexes_size('rowline.jobs')"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one job or request."""

    what: str
    statements: float
    wal: float  # bytes


def measure(chosen: Settings) -> dict[str, Any]:
    """Return what is to be printed, and kept."""
    with place.opened(
        dataclasses.replace(chosen, database_url=None), seconds=SECONDS, backlog=JOBS, options=COUNTING
    ) as on:
        on.connection.execute("create extension pg_stat_statements")
        with on.api() as api:
            found = [
                _cost(on, "POST of 1", lambda: _drive(on, api, "post-1.txt", jobs.posts(1))),
                _cost(on, "POST of 100", lambda: _drive(on, api, "post-100.txt", jobs.posts(100))),
            ]
            on.fill()
            added = on.ask(_SIZES)
            numbers = on.connection.execute("select number from rowline.jobs limit 1000").fetchall()
            job_reads = [f"GET {jobs.POST}/{number}" for (number,) in numbers]
            found += [
                _cost(on, "GET one job", lambda: _drive(on, api, "job.txt", job_reads)),
                _cost(on, "GET a page of 10", lambda: _drive(on, api, "page.txt", [f"GET {jobs.POST}?length=10"])),
                _cost(on, "1,000 jobs by the Python worker", lambda: _work(on), per=1_000),
            ]
            worked = on.ask(_SIZES)
            on.fill()
            found.append(_cost(on, "1,000 jobs by pull over HTTP", lambda: _pull(on, api.port), per=1_000))
    return {"costs": [dataclasses.asdict(cost) for cost in found], "bytes_added": added, "bytes_worked": worked}


def table(found: Mapping[str, Any]) -> str:
    """Lay it out."""
    rows = [[cost["what"], f"{cost['statements']:.2f}", report.number(cost["wal"])] for cost in found["costs"]]
    (heap, index), (heap_after, index_after) = found["bytes_added"], found["bytes_worked"]
    return (
        report.table([["what", "statements (round trips)", "bytes of WAL"], *rows])
        + f"\nA job's bytes when added: heap {heap / JOBS:.0f}, index {index / JOBS:.0f}; "
        + f"when worked, before a vacuum: heap {heap_after / JOBS:.0f}, index {index_after / JOBS:.0f}."
    )


def _cost(on: Place, what: str, run: Callable[[], int], *, per: int = 1) -> Cost:
    """Run something, which says how many requests or jobs it was."""
    calls, lsn = on.ask(_CALLS, _OURS)[0], on.ask("select pg_current_wal_insert_lsn()")[0]
    done = run() / per
    (wal,) = on.ask("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::pg_lsn)::float8", lsn)
    return Cost(what=what, statements=(on.ask(_CALLS, _OURS)[0] - calls) / done, wal=wal / done)


def _drive(on: Place, api: place.Service, name: str, lines: list[str]) -> int:
    file = on.write(name, lines)
    return driven.drive(on, api, file=file, connections=4, meter=on.meter()).all_requests


def _work(on: Place) -> int:
    with programs.serving(working.worker_words(), on.env(), on.folder / "worker.log"):
        on.await_worked()
    return on.backlog


def _pull(on: Place, port: int) -> int:
    words = ["tests.bench.pull", "4", "100"]
    programs.measure(words, env=on.env(PORT=str(port)), seconds=programs.LATE_S)
    return on.backlog
