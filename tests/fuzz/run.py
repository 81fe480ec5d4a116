"""A run: many cases by several clients against one server, whose memory and table are watched meanwhile."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

import psycopg

from app.postgres import libpq
from tests.fuzz import client
from tests.fuzz.client import Tally
from tests.support.clusters import PYTHON, Program, free_port, until
from tests.support.family import children, resident_kib
from tests.support.raw import PATIENT, TOKEN, Server, request

CHUNK = 250
"""Cases that a client takes at a time."""
WAITING = 8
"""So many chunks are given out at once."""
WARM_SHARE = 0.1
GROWTH_KIB = 20 * 1024
SETTINGS = {
    "ROWLINE_API_PROCESSES": "2",
    "ROWLINE_MAX_BODY_BYTES": "200000",
    "ROWLINE_MAX_JOBS": "100",
    "ROWLINE_MAX_DATA_BYTES": "20000",
    "ROWLINE_LOG_LEVEL": "error",
} | PATIENT
"""As shipped, but for limits that are near enough to be met often, a log that fills no disk, and time enough for each
request on a machine that is slow, as a 503 is a violation."""


@dataclass(slots=True)
class Result:
    """What a run came to."""

    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    rows: int = 0
    memory_kib: dict[int, list[int]] = field(default_factory=dict)
    """For each process of the API: after each further tenth of the run."""

    @property
    def growth_kib(self) -> int:
        """The most that one process has grown since it was warm."""
        return max((max(seen[1:]) - seen[0] for seen in self.memory_kib.values() if len(seen) > 1), default=0)

    def violations(self) -> list[str]:
        """All that must not be."""
        found = list(self.tally.violations)
        if not self.tally.created <= self.rows <= self.tally.created + 100 * self.tally.doubtful:
            found.append(
                f"{self.rows} jobs are stored, answers told of {self.tally.created} "
                f"({self.tally.doubtful} broken requests had no answer)"
            )
        if self.growth_kib > GROWTH_KIB:
            found.append(f"a process has grown by {self.growth_kib} KiB: {self.memory_kib}")
        return found


@contextlib.contextmanager
def server(url: str) -> Iterator[Server]:
    """Serve the database of `url` during the block; it is up when it answers, as its log is too quiet to tell."""
    port = free_port()
    env = {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port)} | SETTINGS
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as program:
        made = Server(program, port)
        until(lambda: _all_answer(made))
        yield made


def _all_answer(server: Server) -> bool:
    if len(children(server.program.pid)) < int(SETTINGS["ROWLINE_API_PROCESSES"]):
        return False
    live = request("GET", "/health/live", "Connection: close")
    try:
        return [server.ask(live)[0].status for _ in range(4)] == [200] * 4
    except OSError:
        return False


def fuzz(
    server: Server,
    url: str,
    pool: Executor,
    *,
    seed: int,
    cases: int,
    seconds: float = float("inf"),
    tell: Callable[[str], None] = print,
) -> Result:
    """Do `cases` cases, fewer if `seconds` are over. `url` is of the database, which must hold no jobs."""
    result, began_at = Result(), time.monotonic()
    processes = children(server.program.pid)
    chunks, running = _chunks(cases), set[Future[Tally]]()
    tenths = 0
    while True:
        is_over = time.monotonic() - began_at > seconds
        while not is_over and len(running) < WAITING and (chunk := next(chunks, None)) is not None:
            running.add(pool.submit(client.run, server.port, seed, chunk))
        if not running:
            break
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            result.tally.add(future.result())
        share = max(result.tally.cases / cases, (time.monotonic() - began_at) / seconds)
        if int(share * 10) > tenths:
            tenths = int(share * 10)
            _sample(result, processes, time.monotonic() - began_at, tell)
    result.seconds = time.monotonic() - began_at
    if not result.tally.violations:
        _still_the_same(server, processes)
    result.rows = _rows(url)
    return result


def _chunks(cases: int) -> Iterator[range]:
    for start in range(0, cases, CHUNK):
        yield range(start, min(cases, start + CHUNK))


def _sample(result: Result, processes: list[int], seconds: float, tell: Callable[[str], None]) -> None:
    for pid in processes:
        result.memory_kib.setdefault(pid, []).append(resident_kib(pid))
    memory = ", ".join(f"{seen[-1] / 1024:.1f}" for seen in result.memory_kib.values())
    rate = result.tally.cases / seconds
    tell(f"{result.tally.cases:>9,} cases, {rate:,.0f} a second, memory {memory} MiB")


def _still_the_same(server: Server, processes: list[int]) -> None:
    """See that the processes are those of the beginning, and that they answer."""
    assert children(server.program.pid) == processes, "a process of the API was replaced"
    assert _all_answer(server)


def _rows(url: str) -> int:
    with psycopg.connect(libpq.normal(url)) as connection:
        [(count,)] = connection.execute("select count(*) from rowline.jobs").fetchall()
        return int(count)


def report(result: Result, *, seed: int) -> str:
    """Say all in figures."""
    tally = result.tally
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(tally.statuses.items()))
    groups = Counter[str]()
    for kind, count in tally.kinds.items():
        groups[kind.split(":")[0]] += count
    rows = {
        "seed": seed,
        "cases": f"{tally.cases:,} in {result.seconds:.0f} s: {tally.cases / result.seconds:,.0f} a second",
        "of kinds": ", ".join(f"{count:,} {group}" for group, count in sorted(groups.items())),
        "connections": f"{tally.connections:,}",
        "answers": statuses,
        "jobs created": f"{tally.created:,} by the answers, {result.rows:,} in the table",
        "without answer": f"{tally.doubtful:,} of the broken framings",
        "slowest case": f"{tally.slowest_s:.2f} s",
        "memory, MiB": "; ".join(" ".join(f"{kib / 1024:.1f}" for kib in seen) for seen in result.memory_kib.values()),
        "growth": f"{result.growth_kib / 1024:.1f} MiB at most, from the first tenth on",
        "violations": len(result.violations()),
    }
    return "\n".join(f"{name:<16}{value}" for name, value in rows.items())
