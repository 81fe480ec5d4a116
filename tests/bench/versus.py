"""`make bench-cpu BASE=…`: the CPU time of a request, of this checkout beside another installed one.

On a machine that is shared, the rate of a service says as much about its neighbours. Here both services run on one
server, each with a database of its own, and answer blocks of the same requests from one client, by turns. What counts
is the CPU time of the API and of PostgreSQL, by the scheduler's account. It says nothing of waits for disk or locks.
"""

import contextlib
import http.client
import json
import os
import signal
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
from tests.bench.working import HANDLERS
from tests.support import clusters, databases
from tests.support.clusters import ROOT

TOKEN = "a-token-of-the-benchmark"
BACKLOG = 2_000
JOB = {"name": "n", "data": {"to": "somebody@example.com", "template": "welcome"}}
WORK = {"name": "welcome", "data": {"to": "somebody@example.com"}}
WORKED = "worked"
STARTED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Line:
    """A kind of request: how many make a block, and what sends the nth. Without that: jobs of a Python worker."""

    name: str
    count: int
    send: Callable[["Side", int], None] | None = None


class Side:
    """A checkout's service, with its own database."""

    def __init__(self, place: Path, url: str, server_pid: int) -> None:
        """Migrate the database with the checkout's own code, and start its API, of one process."""
        self._server_pid = server_pid
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        port = clusters.free_port()
        environment |= {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port), "ROWLINE_API_PROCESSES": "1"}
        self._words: list[str | Path] = [place / ".venv" / "bin" / "python", "-m", "app"]
        quiet = subprocess.DEVNULL
        self._options: dict[str, Any] = {"cwd": place, "env": environment, "stderr": quiet, "stdout": quiet}
        subprocess.run([*self._words, "db", "upgrade"], check=True, **self._options)
        self.process = subprocess.Popen([*self._words, "serve"], **self._options)
        self._worker: subprocess.Popen[bytes] | None = None
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self.leases: list[tuple[str, str]] = []
        self._await()
        for _ in range(BACKLOG // 100):
            self.post("", [JOB] * 100)
        self.known = self.get("?length=1")["jobs"][0]["id"]

    def close(self) -> None:
        """End the service and the worker."""
        self._connection.close()
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait()
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
        if line.send is None:
            return self._worked_us(line.count)
        before = self._used(self.process)
        for nth in range(line.count):
            line.send(self, nth)
        return self._spent_us(self.process, before, line.count)

    def _worked_us(self, count: int) -> tuple[float, float]:
        """Return the same for a job of a worker, which does not run while the jobs are added."""
        if self._worker is None:
            words = [*self._words, "work", "--queue", WORKED, "--handlers", HANDLERS, "--processes", "1"]
            self._worker = subprocess.Popen(words, start_new_session=True, **self._options)
            self._add_work(1_000)
            self._await_worked()
        os.killpg(self._worker.pid, signal.SIGSTOP)
        self._add_work(count)
        before = self._used(self._worker)
        os.killpg(self._worker.pid, signal.SIGCONT)
        self._await_worked()
        return self._spent_us(self._worker, before, count)

    def _add_work(self, count: int) -> None:
        for _ in range(count // 1_000):
            self._ask("POST", "", json.dumps([WORK] * 1_000), queue=WORKED)

    def _await_worked(self) -> None:
        while True:
            counts = self._ask("GET", "?length=0", queue=WORKED)["counts"]
            if not counts["waiting"] + counts["active"]:
                return
            time.sleep(0.05)

    def _used(self, process: subprocess.Popen[bytes]) -> tuple[dict[int, int], dict[int, int]]:
        return cpu.scheduled(process.pid), cpu.scheduled(self._server_pid)

    def _spent_us(
        self, process: subprocess.Popen[bytes], before: tuple[dict[int, int], dict[int, int]], count: int
    ) -> tuple[float, float]:
        own, server = (
            cpu.spent_ns(then, now) / 1000 / count for then, now in zip(before, self._used(process), strict=True)
        )
        return own, server

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

    def _ask(self, method: str, path: str, body: str | None = None, *, queue: str = "q") -> Any:
        self._connection.request(method, f"/queues/{queue}/jobs{path}", body, {"Authorization": f"Bearer {TOKEN}"})
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
    Line("Python worker, a job", 10_000),
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
