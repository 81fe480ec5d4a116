"""`make bench-cpu BASE=…`: the CPU time of a request, of this checkout beside another installed one.

On a machine that is shared, the rate of a service says as much about its neighbours. Here both services run on one
server, each with a database of its own, and answer blocks of the same requests from one client, by turns. What counts
is the CPU time of the API and of PostgreSQL, by the scheduler's account. It says nothing of waits for disk or locks.
"""

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.bench import cpu, report
from tests.bench.against import ENOUGH, interval
from tests.support import clusters, databases
from tests.support.clusters import ROOT

TOKEN = "a-token-of-the-benchmark"
BACKLOG = 2_000
JOB = {"name": "n", "data": {"to": "somebody@example.com", "template": "welcome"}}
STARTED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Line:
    """A kind of request: how many make a block, and what sends the nth."""

    name: str
    count: int
    send: Callable[["Side", int], None]


class Side:
    """A checkout's service, with its own database."""

    def __init__(self, place: Path, url: str, server_pid: int) -> None:
        """Migrate the database with the checkout's own code, and start its API, of one process."""
        self._server_pid = server_pid
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        port = clusters.free_port()
        environment |= {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port), "ROWLINE_API_PROCESSES": "1"}
        words: list[str | Path] = [place / ".venv" / "bin" / "python", "-m", "app"]
        options: dict[str, Any] = {"cwd": place, "env": environment, "stderr": subprocess.DEVNULL}
        subprocess.run([*words, "db", "upgrade"], check=True, stdout=subprocess.DEVNULL, **options)
        self.process = subprocess.Popen([*words, "serve"], stdout=subprocess.DEVNULL, **options)
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self.leases: list[tuple[str, str]] = []
        self._await()
        for _ in range(BACKLOG // 100):
            self.post("", [JOB] * 100)
        self.known = self.get("?length=1")["jobs"][0]["id"]

    def close(self) -> None:
        """End the service."""
        self._connection.close()
        self.process.terminate()
        self.process.wait()

    def get(self, path: str) -> Any:
        """GET below the jobs of the queue."""
        return self._ask("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """POST below the jobs of the queue."""
        return self._ask("POST", path, json.dumps(body))

    def cpu_us(self, line: Line) -> tuple[float, float]:
        """Return the CPU time of a request, in microseconds: of the API and of PostgreSQL."""
        self._connection.close()  # the service may have closed it meanwhile; a request opens another
        before = cpu.scheduled(self.process.pid), cpu.scheduled(self._server_pid)
        for nth in range(line.count):
            line.send(self, nth)
        after = cpu.scheduled(self.process.pid), cpu.scheduled(self._server_pid)
        api, server = (cpu.spent_ns(now, then) / 1000 / line.count for now, then in zip(before, after, strict=True))
        return api, server

    def _await(self) -> None:
        ends_at = time.monotonic() + STARTED_WITHIN_S
        while True:
            try:
                self.get("?length=0")
            except OSError:
                self._connection.close()
                if time.monotonic() > ends_at:
                    raise
                time.sleep(0.1)
            else:
                return

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        self._connection.request(method, f"/queues/q/jobs{path}", body, {"Authorization": f"Bearer {TOKEN}"})
        response = self._connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        return json.loads(text)


def _claim_and_complete(side: Side, _nth: int) -> None:
    [lease] = side.post("/claim", {"count": 1})["jobs"]
    side.post(f"/{lease['job']['id']}/complete", {"token": lease["token"], "returnvalue": 1})


def _finish_and_claim(side: Side, _nth: int) -> None:
    """Complete ten jobs and claim the next ten, as workers over HTTP do."""
    told = [{"id": job_id, "token": token, "returnvalue": 1} for job_id, token in side.leases]
    claimed = side.post("/finish", {"jobs": told, "claim": {"count": 10}})["jobs"]
    side.leases = [(lease["job"]["id"], lease["token"]) for lease in claimed]


LINES = (
    Line("POST of 1", 300, lambda side, _nth: side.post("", [JOB])),
    Line("POST of 100", 40, lambda side, _nth: side.post("", [JOB] * 100)),
    Line("POST of 1,000", 6, lambda side, _nth: side.post("", [JOB] * 1_000)),
    Line("GET one job", 400, lambda side, _nth: side.get(f"/{side.known}")),
    Line("GET a page of 10", 300, lambda side, nth: side.get(f"?start={nth % 50}&length=10")),
    Line("GET a page of 100", 100, lambda side, nth: side.get(f"?start={nth % 50}&length=100")),
    Line("claim of 1, complete", 200, _claim_and_complete),
    Line("finish of 10 and claim", 100, _finish_and_claim),
)


@contextlib.contextmanager
def _sides(base: Path) -> Iterator[tuple[Side, Side]]:
    with clusters.cluster() as cluster, contextlib.ExitStack() as stack:
        sides = []
        for place in (ROOT, base):
            url = stack.enter_context(databases.fresh(cluster.url))
            side = Side(place, url, cluster.pid)
            stack.callback(side.close)
            sides.append(side)
        yield sides[0], sides[1]


@click.command()
@click.argument("base", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1, 100), default=15, show_default=True)
def bench(*, base: Path, rounds: int) -> None:
    """Measure, and print the ratios of BASE to this checkout: more is better."""
    with _sides(base.absolute()) as (ours, theirs):
        rows = [_row(line, ours, theirs, rounds) for line in LINES]
    heads = ["request", "us here: API", "PostgreSQL", "us there: API", "PostgreSQL", "there / here", "interval"]
    print(report.table([[*heads, f">= {ENOUGH}"], *rows]))


def _row(line: Line, ours: Side, theirs: Side, rounds: int) -> list[str]:
    taken: dict[Side, list[tuple[float, float]]] = {ours: [], theirs: []}
    for side in (ours, theirs):
        side.cpu_us(line)  # statements are prepared, caches are warm
    for nth in range(rounds):
        for side in (ours, theirs)[:: 1 if nth % 2 else -1]:
            taken[side].append(side.cpu_us(line))
    ratios = sorted(sum(there) / sum(here) for here, there in zip(taken[ours], taken[theirs], strict=True))
    middle, (low, high) = statistics.median(ratios), interval(ratios)
    used = [f"{statistics.median(part):.0f}" for side in (ours, theirs) for part in zip(*taken[side], strict=True)]
    return [line.name, *used, f"{middle:.3f}", f"{low:.3f} to {high:.3f}", "met" if middle >= ENOUGH else "NOT MET"]


if __name__ == "__main__":
    bench()
