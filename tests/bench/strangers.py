"""`make bench-strangers`: what two clients without a token cost a neighbour, beside calm, in turn.

One client asks for a job, again and again, over one connection; beside it two processes send the worst that somebody
without a token can, as fast as they are answered. Its 99th percentile is compared with that of the rounds in calm.
Strangers are on other machines, whose CPU does not serve the service: here they run with what CPU service and neighbour
leave, unless `--beside` has them compete for it. The table says how much they sent with that. What is sent "elsewhere"
goes to a program that reads and forgets; "busy, and silent" is a loop: what the machine itself costs.
`--firewall` has the rules of `app/docs/firewall.md` in a network namespace of the run's own.
"""

import contextlib
import dataclasses
import http.client
import json
import multiprocessing
import selectors
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from typing import Any

import click

from app.infra import settings
from tests.bench import elsewhere, place, report
from tests.bench.place import Place, Service
from tests.support import firewall

STRANGERS = 2
GOAL = 2.0
CALM_S = 1  # before each attack
CONNECT_S = 0.5  # a firewall answers nothing
HEAD_PACKETS = 60  # of a head without end: at 65 it is refused
MIB = 2**20
DIGITS = b'"' + (b"0" * 1_000 + b" ") * 1_030 + b'"'
TOKEN = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack:
    """What is sent, and how often a second it was answered."""

    path: str
    body: bytes = b""
    token: str = TOKEN
    method: str = "POST"
    chunked: bytes = b""
    length: int = 0  # that it says, where that is not what is sent at once
    fields: str = ""  # further ones, each with its CRLF
    connections: int = 1  # of each of the two
    way: str = "ask"
    is_elsewhere: bool = False

    def sent(self) -> bytes:
        """Return it as bytes."""
        if not self.path:
            return b""
        length = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {self.length or len(self.body)}"
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n{length}\r\n"
            f"{self.fields}\r\n"
        )
        return head.encode() + (self.chunked or self.body)


ATTACKS = {
    "busy, and silent": Attack(path="", way="spin"),
    "progress, a MiB of digits": Attack(path="/queues/q/jobs/1/progress", body=DIGITS),
    "progress, a MiB of arrays": Attack(path="/queues/q/jobs/1/progress", body=b"[" + b"[]," * 340_000 + b"[]]"),
    "progress, a number": Attack(path="/queues/q/jobs/1/progress", body=b"1"),
    "logs, 64 KiB": Attack(path="/queues/q/jobs/a-custom-id/logs", body=b'"' + b"x" * 60_000 + b'"'),
    "POST jobs, a wrong token": Attack(path="/queues/q/jobs", body=b"[" + b"[]," * 340_000 + b"[]]"),
    "GET a job, a wrong token": Attack(method="GET", path="/queues/q/jobs/1"),
    "GET with a wrong token, 1,000 connections": Attack(
        method="GET", path="/queues/q/jobs/1", connections=500, way="crowd"
    ),
    "progress of none, 1,000 connections": Attack(
        path="/queues/q/jobs/1/progress", body=b"1", connections=500, way="crowd"
    ),
    "readiness": Attack(method="GET", path="/health/ready"),
    "health, and 10 MiB behind it": Attack(path="/health/live", body=b"x" * (10 * MIB)),
    "health, and 10 MiB of chunks of a byte": Attack(path="/health/live", chunked=b"1\r\nx\r\n" * (10 * MIB // 6)),
    "no HTTP": Attack(method="G T", path="/"),
    "the OpenAPI document": Attack(method="GET", path="/openapi.json"),
    "no such path": Attack(method="GET", path="/" + "x" * 4_000),
    "nothing, and away": Attack(path="", way="leave"),
    "a request, and away": Attack(method="GET", path="/queues/q/jobs/1", way="leave"),
    "a request, and away, elsewhere": Attack(method="GET", path="/queues/q/jobs/1", way="leave", is_elsewhere=True),
    "a request of 98 fields, and away": Attack(
        method="GET", path="/queues/q/jobs/1", way="leave", fields="".join(f"X-{at}: 1\r\n" for at in range(95))
    ),
    "a head in single bytes, 100 connections": Attack(path="", connections=50, way="drip"),
    "such heads elsewhere": Attack(path="", connections=50, way="drip", is_elsewhere=True),
    "a body in single bytes, 40 connections": Attack(path="/health/live", connections=20, way="drip", length=16_000),
    "such bodies elsewhere": Attack(path="/health/live", connections=20, way="drip", length=16_000, is_elsewhere=True),
}


@click.command()
@click.option("--rounds", type=click.IntRange(1, 50), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(1, 60), default=3, show_default=True)
@click.option("--only", multiple=True, type=click.Choice([*ATTACKS]))
@click.option("--beside", "is_beside", is_flag=True, help="The strangers compete with the service for its CPU.")
@click.option("--firewall", "is_firewalled", is_flag=True, help="With the rules of firewall.md. Needs root, and nft.")
def bench(*, rounds: int, seconds: int, only: tuple[str, ...], is_beside: bool, is_firewalled: bool) -> None:
    """Measure, and print a table with a mark for each attack."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(elsewhere.allowed())
        if is_firewalled:
            firewall.enter_namespace()
        on = stack.enter_context(place.opened(settings.from_env({}), seconds=1, backlog=1))
        api = stack.enter_context(on.api())
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1_000))
        if is_firewalled:
            firewall.load(api.port, listener.getsockname()[1])
        job = _job(on, api)
        p99: dict[str, list[float]] = {"calm": []}
        sent: dict[str, list[float]] = {"calm": [0.0]}
        for _ in range(rounds):
            for name, attack in ATTACKS.items():
                if not only or name in only:
                    p99["calm"].append(_neighbour(on, api, job, CALM_S))
                    with _attacked(api.port, listener, attack, is_beside=is_beside) as count:
                        p99.setdefault(name, []).append(_neighbour(on, api, job, seconds))
                    sent.setdefault(name, []).append(count.value / seconds)
    calm = statistics.median(p99["calm"])
    rows = [
        [
            name,
            f"{statistics.median(found):.2f}",
            f"{min(found):.2f} to {max(found):.2f}",
            f"{statistics.median(found) / calm:.1f}",
            f"{statistics.median(sent[name]):,.0f}",
            "" if name == "calm" else "met" if statistics.median(found) <= GOAL * calm else "MISSED",
        ]
        for name, found in p99.items()
    ]
    print(report.table([["two strangers send", "p99 of GET, ms", "rounds", "x calm", "sent/s", "goal 2"], *rows]))


def _job(on: Place, api: Service) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    connection.request("POST", "/queues/q/jobs", b'[{"name":"n","data":1}]', {"Authorization": f"Bearer {on.token}"})
    return str(json.loads(connection.getresponse().read())[0]["id"])


def _neighbour(on: Place, api: Service, job: str, seconds: int) -> float:
    """Ask for a job for so long; return the 99th percentile of the answers' times, in ms."""
    times: list[float] = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", api.port)) as connection:
        ends_at = time.perf_counter() + seconds
        while (began := time.perf_counter()) < ends_at:
            connection.request("GET", f"/queues/q/jobs/{job}", headers={"Authorization": f"Bearer {on.token}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == http.HTTPStatus.OK, answer.status
            times.append((time.perf_counter() - began) * 1000)
    return statistics.quantiles(times, n=100)[98]


@contextlib.contextmanager
def _attacked(port: int, listener: socket.socket, attack: Attack, *, is_beside: bool) -> Iterator[Any]:
    """Have strangers at it during the block; after it the yielded number says how often they sent.

    `listener` is that of the program elsewhere.
    """
    over, count = multiprocessing.Event(), multiprocessing.Value("q")
    if attack.is_elsewhere:
        port = listener.getsockname()[1]
    strangers = [
        multiprocessing.Process(
            target=_be_stranger,
            args=(Stranger(port, f"127.0.0.{2 + at}", attack, over), count, is_beside),
            daemon=True,
        )
        for at in range(STRANGERS)
    ]
    if attack.is_elsewhere:
        strangers.append(multiprocessing.Process(target=_forget, args=(listener, over), daemon=True))
    for stranger in strangers:
        stranger.start()
    try:
        yield count
    finally:
        over.set()
        for stranger in strangers:
            stranger.join(30)


@dataclasses.dataclass(frozen=True)
class Stranger:
    """One of them: an address of its own, and what it sends until it is over."""

    port: int
    address: str
    attack: Attack
    over: Event

    def connect(self) -> socket.socket:
        """Open a connection. Raises OSError."""
        return socket.create_connection(("127.0.0.1", self.port), CONNECT_S, (self.address, 0))


def _be_stranger(stranger: Stranger, count: Any, is_beside: bool) -> None:  # noqa: FBT001 - of a process
    """Send what the attack sends until it is over; add up how often."""
    if not is_beside:
        elsewhere.go()
    number = _WAYS[stranger.attack.way](stranger)
    with count.get_lock():
        count.value += number


def _spin(stranger: Stranger) -> int:
    """Send nothing, and be busy."""
    while not stranger.over.is_set():
        pass
    return 0


def _ask(stranger: Stranger) -> int:
    """Send it again and again, on a new connection where the service has closed."""
    sent, number = stranger.attack.sent(), 0
    while not stranger.over.is_set():
        with contextlib.suppress(OSError), stranger.connect() as connection:
            connection.settimeout(10)
            while not stranger.over.is_set():
                connection.sendall(sent)
                number += 1
                if not connection.recv(MIB):
                    break
    return number


def _crowd(stranger: Stranger) -> int:
    """Do so on many connections, on each again when it was answered, and on a new one where the service has closed."""
    sent, watched, number = stranger.attack.sent(), selectors.DefaultSelector(), 0
    while not stranger.over.is_set():
        while len(watched.get_map()) < stranger.attack.connections and not stranger.over.is_set():
            try:
                connection = stranger.connect()
            except OSError:
                break
            watched.register(connection, selectors.EVENT_READ)
            connection.sendall(sent)
        for key, _ in watched.select(0.1):
            connection = key.fileobj  # type: ignore[assignment]
            with contextlib.suppress(OSError):
                if connection.recv(MIB):
                    connection.sendall(sent)
                    number += 1
                    continue
            watched.unregister(connection)
            connection.close()
    return number


def _leave(stranger: Stranger) -> int:
    """Connect, send it and break off, again and again."""
    sent, number = stranger.attack.sent(), 0
    while not stranger.over.is_set():
        with contextlib.suppress(OSError), stranger.connect() as connection:
            connection.sendall(sent)
            number += 1
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return number


def _drip(stranger: Stranger) -> int:
    """Send it, or nothing, then byte by byte on each of many connections, on a new one where the service has closed."""
    attack = stranger.attack
    sent, most = attack.sent() or b"GET / HTTP/1.1\r\nX: ", attack.length or HEAD_PACKETS

    def opened() -> socket.socket | None:
        with contextlib.suppress(OSError):
            connection = stranger.connect()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(sent)
            connection.setblocking(False)
            return connection
        return None

    connections = [opened() for _ in range(attack.connections)]
    counts = [0] * attack.connections
    number = 0
    while not stranger.over.is_set():
        for at, connection in enumerate(connections):
            try:
                if connection and counts[at] < most:
                    counts[at] += connection.send(b"a")
                    number += 1
                    continue
            except BlockingIOError:
                continue
            except ConnectionError:
                pass
            if connection:
                connection.close()
            connections[at], counts[at] = opened(), 0
    return number


def _forget(listener: socket.socket, over: Event) -> None:
    """Read what comes, and answer nothing."""
    watched = selectors.DefaultSelector()
    watched.register(listener, selectors.EVENT_READ)
    while not over.is_set():
        for key, _ in watched.select(0.1):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if connection is listener:
                watched.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            with contextlib.suppress(OSError):
                if connection.recv(8_192):
                    continue
            watched.unregister(connection)
            connection.close()


_WAYS: dict[str, Callable[[Stranger], int]] = {
    "ask": _ask,
    "crowd": _crowd,
    "leave": _leave,
    "drip": _drip,
    "spin": _spin,
}


if __name__ == "__main__":
    bench()
