"""`make rolling-restart`: two nodes behind haproxy, as `app/docs/rolling.md` has it, restarted under load."""

import contextlib
import csv
import functools
import itertools
import json
import re
import shutil
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from tests.chaos.stand import Ground
from tests.checker import record, verdict
from tests.checker.record import Recorder
from tests.checker.verdict import Verdict
from tests.rehearsal.release import PRESENT
from tests.support import clusters, databases, raw
from tests.support.clusters import ROOT, Program, free_port, until
from tests.support.raw import TOKEN
from tests.support.wire import Lost, Wire

PAGE = ROOT / "app" / "docs" / "rolling.md"
CLIENTS = 20
SAFE, BARE = ("read", "keyed"), "bare"
KINDS = (*SAFE, BARE)
CALM_S = 0.5


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request met; status 0: no answer. `asked_at` is of the monotonic clock."""

    kind: str
    asked_at: float
    status: int
    took_s: float


class Client(threading.Thread):
    """Sends each request once, at even distances whatever comes back."""

    def __init__(self, port: int, history: Recorder, *, name: str, every_s: float) -> None:
        super().__init__(name=name)
        self.replies: list[Reply] = []
        self.stopped = threading.Event()
        self._port, self._history, self._every_s, self._random = port, history, every_s, Random(name)
        self._wire: Wire | None = None

    def run(self) -> None:
        next_at = time.monotonic() + self._random.uniform(0, self._every_s)
        for number in itertools.count():
            if self.stopped.wait(max(0.0, next_at - time.monotonic())):
                break
            next_at += self._every_s
            self._send(self._random.choice(KINDS), f"{self.name}-{number}")
        self._hang_up()

    def _send(self, kind: str, mark: str) -> None:
        sent = raw.request("GET", "/queues/q/jobs")
        if kind != "read":
            self._history.note("ask", batch=mark, size=1, delay_ms=0)
            headers = [f"Idempotency-Key: {mark}"] if kind == "keyed" else []
            body = json.dumps([{"name": "n", "data": {"batch": mark, "index": 0}}]).encode()
            sent = raw.request("POST", "/queues/q/jobs", *headers, body=body)
        began, status = time.monotonic(), 0
        try:
            self._wire = self._wire or Wire(self._port)
            self._wire.send(sent)
            answer = self._wire.answer()
            status = answer.status
            if answer.headers.get("connection", "").lower() == "close":
                self._hang_up()
        except Lost:
            self._hang_up()
        if kind != "read" and status == 200:
            self._history.note("acknowledged", batch=mark, ids=[job["id"] for job in answer.json()])
        elif kind != "read":
            self._history.note("doubt", batch=mark)
        self.replies.append(Reply(kind, began, status, time.monotonic() - began))

    def _hang_up(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None


class Proxy:
    """haproxy with the configuration of the page, in front of nodes on this machine."""

    def __init__(self, program: Program, folder: Path, port: int) -> None:
        self.program, self.port = program, port
        self._socket = folder / "haproxy.sock"

    def is_up(self, server: str) -> bool:
        """Say whether haproxy sends requests to it."""
        return self._stat(server).get("status") == "UP"

    def drain(self, server: str) -> None:
        """Take it out of turn, as the page says, and wait until it has nothing to do."""
        self._say(f"set server nodes/{server} state drain")
        until(lambda: self._stat(server).get("scur") == "0", within_s=60)

    def resume(self, server: str) -> None:
        """Take it in again."""
        self._say(f"set server nodes/{server} state ready")

    def _stat(self, server: str) -> dict[str, str]:
        rows = csv.DictReader(self._say("show stat").removeprefix("# ").splitlines())
        return next((row for row in rows if (row["pxname"], row["svname"]) == ("nodes", server)), {})

    def _say(self, command: str) -> str:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self._socket))
            asked.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: asked.recv(65536), b"")).decode()
        return ""


def configuration() -> str:
    """Read haproxy's configuration from the page."""
    found = re.search(r"^    global\n(?:    .*\n|\n)+", PAGE.read_text(), re.MULTILINE)
    assert found
    return found[0]


@contextlib.contextmanager
def proxy(folder: Path, ports: list[int], *, changed: Mapping[str, str] | None = None) -> Iterator[Proxy]:
    """Run haproxy during the block, with some words of its configuration `changed`."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert found, "haproxy is not installed: apt-get install haproxy"
    port, text = free_port(), configuration()
    for old, new in {
        "/run/haproxy/rowline.sock": str(folder / "haproxy.sock"),
        "bind :8000": f"bind 127.0.0.1:{port}",
        "10.0.0.1:8080": f"127.0.0.1:{ports[0]}",
        "10.0.0.2:8080": f"127.0.0.1:{ports[1]}",
        **(changed or {}),
    }.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "haproxy.cfg"
    file.write_text(text)
    with Program([found, "-db", "-f", file]) as program:
        yield Proxy(program, folder, port)


@dataclass(slots=True)
class Run:
    """What the restarts came to."""

    replies: list[Reply]
    verdict: Verdict
    seconds: float
    drained_at: float
    """Since when, by the monotonic clock, nodes were taken out of turn before they were restarted."""

    def broken(self) -> list[str]:
        """Say which promises were not kept; for bare requests there is one only where nodes were drained first."""
        promised = [r for r in self.replies if r.kind in SAFE or r.asked_at >= self.drained_at]
        failed = Counter((r.kind, r.status) for r in promised if r.status != 200)
        found = [f"{count} x {kind} met {status}" for (kind, status), count in failed.items()]
        return found + [f"{count} x {violation}" for violation, count in self.verdict.found.items()]

    def table(self, restarts: int) -> str:
        """Say all in figures."""
        rate = len(self.replies) / self.seconds
        lines = [f"{restarts} restarts in {self.seconds:.0f} s, {len(self.replies):,} requests, {rate:.0f}/s"]
        for kind in KINDS:
            met = [reply for reply in self.replies if reply.kind == kind]
            statuses = ", ".join(
                f"{n:,} x {status or 'no answer'}" for status, n in Counter(r.status for r in met).items()
            )
            lines.append(f"{kind:<6} {statuses}; slowest {max(r.took_s for r in met):.2f} s")
        found = self.verdict
        lines.append(f"bare without an answer: {found.unknown}, of them stored: {found.recovered}")
        return "\n".join(
            [*lines, f"jobs   {found.acknowledged:,} acknowledged, {dict(found.found) or 'all kept, once'}"]
        )


def restart(url: str, folder: Path, *, restarts: int, rate: float) -> Run:
    """Restart two nodes on the database of `url` in turn, under `rate` requests a second; half of the times drained."""
    ports, history = [free_port(), free_port()], Recorder(folder / "clients.jsonl")

    def node(port: int) -> Program:
        env = {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port), "ROWLINE_HOME": str(folder / "home")}
        return PRESENT.rowline("serve", env=env)

    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(node(port)) for port in ports]
        for one in nodes:
            one.expect("api_started", within_s=60)
        before = stack.enter_context(proxy(folder, ports))
        until(lambda: before.is_up("one") and before.is_up("two"), within_s=60)
        clients = [Client(before.port, history, name=f"c{n}", every_s=CLIENTS / rate) for n in range(CLIENTS)]
        began = time.monotonic()
        for client in clients:
            client.start()
        drained_at = float("inf")
        for turn in range(restarts):
            threading.Event().wait(CALM_S)
            which, name = turn % 2, ("one", "two")[turn % 2]
            if turn >= restarts // 2:
                drained_at = min(drained_at, time.monotonic())
                before.drain(name)
            assert nodes[which].end(signal.SIGTERM, within_s=60) == 0
            nodes[which] = stack.enter_context(node(ports[which]))
            nodes[which].expect("api_started", within_s=60)
            before.resume(name)
            until(functools.partial(before.is_up, name), within_s=60)
        threading.Event().wait(CALM_S)
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join()
        seconds = time.monotonic() - began
        history.close()
        found = verdict.check_adds(record.read(history.path), Ground(url).stored())
    return Run([reply for client in clients for reply in client.replies], found, seconds, drained_at)


@click.command()
@click.option("--restarts", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--rate", type=click.FloatRange(1, 10_000), default=100.0, show_default=True, help="Requests a second.")
def rolling(restarts: int, rate: float) -> None:
    """Restart nodes behind haproxy; exit with 1 when a request failed that was safe to send again."""
    with clusters.cluster() as cluster, clusters.folder() as folder:
        run = restart(databases.prepare(cluster.url), folder, restarts=restarts, rate=rate)
    print(run.table(restarts))
    broken = run.broken()
    for promise in broken:
        print(f"VIOLATION {promise}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    rolling()
