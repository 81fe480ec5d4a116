"""Silent and slow clients: each is let go in time, and nobody else notices."""

import contextlib
import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.clusters import PATIENCE_S, open_files
from tests.support.family import children
from tests.support.raw import Server

CLIENT_S = 2  # as ROWLINE_CLIENT_S; 10 by default
SILENT = 200  # of each kind
LATE_S = CLIENT_S + 100.0
ANSWERED_WITHIN_S = 2.0  # speed is measured elsewhere; a server that is held up answers nobody for CLIENT_S
CALM = 20
"""Times as long as in calm before anybody is held up: a machine may be slow."""
HEAD = raw.request("POST", "/queues/q/jobs", "Content-Length: 100")
LONG = raw.request("POST", "/queues/q/jobs", "Content-Length: 5000000")
CHUNKED = raw.request("POST", "/queues/q/jobs", "Transfer-Encoding: chunked")
ENDLESS = 8
GROWTH_KIB = 8 * 1024  # less than one body
KINDS = {
    "idle": b"",
    "half a line": b"GET /health/live HT",
    "half a head": b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Half: ",
    "no body": HEAD,
    "half a body": HEAD + b'[{"name":',
    "half a chunk": CHUNKED + b"ff\r\n[",
    "no token, half a body": raw.request("POST", "/queues/q/jobs", "Content-Length: 100", token="wrong") + b"[",
}


@pytest.fixture(scope="module")
def impatient(shared_url: str) -> Iterator[Server]:
    """A server as shipped, but that waits less long."""
    with raw.server(shared_url, ROWLINE_CLIENT_S=str(CLIENT_S)) as server:
        yield server
        server.check()


@pytest.fixture(scope="module")
def prompt_s(impatient: Server) -> float:
    return max(ANSWERED_WITHIN_S, CALM * max(ask(impatient) for _ in range(20)))


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=LATE_S)


def ask(server: Server) -> float:
    """GET something from the database over a new connection; return how long that took."""
    started = time.monotonic()
    [answer] = server.ask(raw.request("GET", "/queues/q/jobs"), wanted=1)
    assert answer.status == 200
    return time.monotonic() - started


def usual_s(server: Server, *, times: int) -> float:
    """Ask so many times; return how long the slowest but one took: the machine may stand still for seconds, once."""
    return sorted(ask(server) for _ in range(times))[-2]


def test_hundreds_of_silent_clients_hold_nobody_up_and_are_let_go(impatient: Server, prompt_s: float) -> None:
    with open_files(4_096), contextlib.ExitStack() as stack:
        silent = []
        for sent in KINDS.values():
            for _ in range(SILENT):
                silent.append(stack.enter_context(connect(impatient)))
                silent[-1].sendall(sent)
        begun = time.monotonic()
        assert statistics.median(ask(impatient) for _ in range(50)) < prompt_s
        for connection in silent:
            while connection.recv(65536):
                pass
        assert time.monotonic() - begun < LATE_S


def test_a_shell_that_allows_few_open_files_limits_no_clients(shared_url: str) -> None:
    with contextlib.ExitStack() as stack:
        with open_files(256):
            server = stack.enter_context(raw.server(shared_url))
        for _ in range(400):
            stack.enter_context(connect(server))
        assert ask(server)


@pytest.mark.parametrize("kind", ["no body", "half a body", "half a chunk"])
def test_a_body_that_does_not_come_is_told_and_the_connection_closed(impatient: Server, kind: str) -> None:
    [answer] = impatient.ask(KINDS[kind])  # returns when the server closes
    assert (answer.status, answer.json()["code"]) == (408, "slow_body")


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        pytest.param(HEAD, b" ", id="H07 bytes"),
        pytest.param(CHUNKED, b"1\r\n \r\n", id="H11 chunks"),
        pytest.param(LONG, b" " * 8_192, id="H07 a trickle, slower than a body may be"),
    ],
)
def test_a_body_that_drips_is_not_waited_for(impatient: Server, head: bytes, drop: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(head + drop)
        connection.settimeout(0.2)
        ends_at = time.monotonic() + LATE_S
        received = b""
        while time.monotonic() < ends_at and not received:
            connection.sendall(drop)
            with contextlib.suppress(TimeoutError):
                received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_keeps_coming_is_waited_for(impatient: Server) -> None:
    """It takes longer than a silence may, and is taken. Most comes first: so it is seconds ahead of the least pace."""
    body = b'[{"name":"n","data":"' + b"x" * 1_000_000 + b'"}]'
    first = len(body) * 2 // 3
    piece = (len(body) - first) // 30 + 1
    with connect(impatient) as connection:
        connection.sendall(raw.request("POST", "/queues/q/jobs", f"Content-Length: {len(body)}") + body[:first])
        for start in range(first, len(body), piece):
            connection.sendall(body[start : start + piece])
            time.sleep((CLIENT_S + 1) / 30)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_takes_no_answer_is_let_go(impatient: Server, prompt_s: float) -> None:
    """It asks and asks, and never reads: when the answers fill the sockets, the server gives up and closes."""
    added = b'[{"name":"n","data":"' + b"x" * 100_000 + b'"}]'
    impatient.ask(raw.request("POST", "/queues/slow/jobs", body=added), wanted=1)
    with connect(impatient) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(LATE_S)
        with pytest.raises(ConnectionError):
            for _ in range(1_000):
                connection.sendall(raw.request("GET", "/queues/slow/jobs") * 1_000)
    assert usual_s(impatient, times=3) < prompt_s


def test_a_stopping_server_does_not_wait_for_who_is_silent(shared_url: str) -> None:
    with raw.server(shared_url, ROWLINE_CLIENT_S="600") as server, connect(server) as idle, connect(server) as kept:
        kept.sendall(raw.request("GET", "/health/live"))
        answer = b""
        while not answer.endswith(b"}"):
            answer += kept.recv(65536)
        server.program.process.terminate()
        assert (idle.recv(1), kept.recv(1)) == (b"", b"")
        server.program.process.wait(LATE_S)


def test_a_stop_waits_for_no_stranger_who_does_not_read(shared_url: str) -> None:
    patience = {"ROWLINE_CLIENT_S": "120", "ROWLINE_DRAIN_MS": "300000"}
    with raw.server(shared_url, **patience) as server, socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stranger.connect(("127.0.0.1", server.port))
        stranger.sendall(raw.request("GET", "/docs/assets/swagger-ui-bundle.js") * 20)
        assert stranger.recv(1, socket.MSG_PEEK) == b"H"
        server.program.process.terminate()
        assert server.program.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("path", ["/health/live", "/queues/q/jobs", "/nowhere"])
def test_a_body_without_end_that_nobody_reads_holds_nobody_up(impatient: Server, prompt_s: float, path: str) -> None:
    """It comes as fast as it is read, so reading never waits: others must be let in between, and it must end."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    answered: list[float] = []

    def ask_others() -> None:
        answered.append(usual_s(impatient, times=20))

    others = threading.Thread(target=ask_others)
    with connect(impatient) as connection:
        connection.sendall(raw.request("GET", path, "Transfer-Encoding: chunked"))
        others.start()
        ends_at = time.monotonic() + LATE_S
        with pytest.raises(ConnectionError):
            while time.monotonic() < ends_at:
                connection.sendall(chunk)
    others.join()
    assert len(answered) == 1
    assert answered[0] < prompt_s


def memory_kib(server: Server) -> int:
    """What the one process that answers has taken."""
    [worker] = children(server.program.pid)
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())[0])


def test_a_body_without_end_is_refused_at_the_limit_and_leaves_nothing_behind(
    impatient: Server, prompt_s: float
) -> None:
    """H11. The answer may be lost on its way to who only sends; the connection ends, and the memory is free again."""
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    taken = []
    for _ in range(ENDLESS):
        with connect(impatient) as connection:
            connection.sendall(CHUNKED)
            ends_at = time.monotonic() + LATE_S
            with pytest.raises(ConnectionError):
                while time.monotonic() < ends_at:
                    connection.sendall(chunk)
        assert usual_s(impatient, times=3) < prompt_s
        taken.append(memory_kib(impatient))
    assert taken[-1] - max(taken[: ENDLESS // 2]) < GROWTH_KIB, taken
    assert statuses_of_posts(impatient)[-ENDLESS:] == [413] * ENDLESS


def statuses_of_posts(server: Server) -> list[int]:
    """What the log says that each was answered with."""
    lines = [json.loads(line) for line in server.log().splitlines() if line]
    return [line["status"] for line in lines if line.get("method") == "POST"]


def test_a_body_of_one_byte_chunks_holds_nobody_up(impatient: Server, prompt_s: float) -> None:
    body = b"1\r\n \r\n" * 300_000 + b"2\r\n[]\r\n0\r\n\r\n"
    with connect(impatient) as connection:
        connection.settimeout(60)
        sending = threading.Thread(
            target=connection.sendall, args=[raw.request("POST", "/queues/q/jobs", "Transfer-Encoding: chunked") + body]
        )
        sending.start()
        assert usual_s(impatient, times=20) < prompt_s
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
        sending.join()


def test_a_request_that_comes_while_idle_clients_are_let_go_is_answered_or_not_begun(shared_url: str) -> None:
    """The moment is half a second after the signal: requests are sent all around it, on connections that were idle."""
    with raw.server(shared_url) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(200)]
        asked = raw.request("GET", "/queues/nothing/jobs")
        for connection in idle:
            connection.sendall(asked)
        for connection in idle:
            answer = b""
            while not answer.endswith(b'"length":10}'):
                answer += connection.recv(65_536)
        server.program.process.terminate()
        time.sleep(0.46)
        for connection in idle:
            with contextlib.suppress(OSError):
                connection.sendall(asked)
            time.sleep(0.0004)
        statuses = set()
        for connection in idle:
            with contextlib.suppress(OSError):
                statuses.add(connection.recv(12)[9:])
    assert statuses <= {b"200", b""}
