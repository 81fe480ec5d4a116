"""Claims that wait, over real sockets."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import databases, raw
from tests.support.clusters import open_files, until
from tests.support.raw import Server

NEVER_POLLED = {"ROWLINE_POLL_MS": "60000"}  # who waits hears of a job by its commit, or not at all
PATIENT = {"ROWLINE_POOL_WAIT_MS": "50000", "ROWLINE_REQUEST_MS": "60000"}  # hundreds at once, on a busy machine


@pytest.fixture
def server(own_url: str) -> Iterator[Server]:
    with raw.server(own_url, **NEVER_POLLED, **PATIENT) as opened:
        yield opened
        opened.check()


def claim(server: Server, queue: str = "q", **asked: object) -> list[dict[str, Any]]:
    body = json.dumps(asked).encode()
    [answer] = server.ask(raw.request("POST", f"/queues/{queue}/jobs/claim", body=body), wanted=1)
    assert answer.status == 200, answer.body
    return list(answer.json()["jobs"])


def add(server: Server, count: int = 1, queue: str = "q", **opts: object) -> None:
    body = json.dumps([{"name": "n", "data": nth, "opts": opts} for nth in range(count)]).encode()
    [answer] = server.ask(raw.request("POST", f"/queues/{queue}/jobs", body=body), wanted=1)
    assert answer.status == 200, answer.body


def begin(server: Server, stack: contextlib.ExitStack, **asked: object) -> socket.socket:
    """Begin to wait for jobs, and do not read the answer."""
    opened = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
    opened.sendall(raw.request("POST", "/queues/q/jobs/claim", body=json.dumps(asked).encode()))
    return opened


def test_a_claim_waits_for_the_commit_that_brings_a_job(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(claim, server, wait=20_000)
        time.sleep(0.5)  # so that it waits, most likely; the test holds either way
        add(server)
        assert len(waiting.result(60)) == 1


def test_who_waits_is_woken_however_many_clients_there_are(server: Server) -> None:
    """The listener's connection is opened when the process has more descriptors than select() can tell apart."""
    with open_files(4_096), contextlib.ExitStack() as stack:
        for _ in range(1_300):
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            opened.sendall(b"G")
        waiting = begin(server, stack, wait=55_000)
        add(server, queue="other")
        add(server)
        assert job_of(waiting) == "2"
    assert "Traceback" not in server.log()


def test_a_claim_that_waited_in_vain_answers_with_nothing(server: Server) -> None:
    started = time.monotonic()
    assert claim(server, wait=700) == []
    assert time.monotonic() - started >= 0.7


def test_a_claim_waits_for_a_delayed_job_to_fall_due(server: Server) -> None:
    started = time.monotonic()
    add(server, delay=800)
    assert len(claim(server, wait=20_000)) == 1
    assert time.monotonic() - started >= 0.8


def test_hundreds_wait_at_once_and_each_job_goes_to_one(server: Server) -> None:
    waiters = 300
    with contextlib.ExitStack() as stack:
        waiting = [begin(server, stack, wait=25_000) for _ in range(waiters)]
        started = time.monotonic()
        [live] = server.ask(raw.request("GET", "/queues/q/jobs"), wanted=1)
        assert live.status == 200
        assert time.monotonic() - started < 25, "not behind those who wait for 25 s"
        add(server, waiters)
        taken = [job_of(connection) for connection in waiting]
    assert len(set(taken)) == waiters


def job_of(connection: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        more = connection.recv(65_536)
        assert more, received
        received += more
    [answer] = raw.answers_in(received)
    [lease] = answer.json()["jobs"]
    return str(lease["job"]["id"])


def test_who_leaves_while_it_waits_takes_no_job(server: Server, own_url: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            begin(server, stack, wait=25_000)
        until(lambda: waits(own_url))
    add(server)
    assert len(claim(server, wait=5_000)) == 1
    [(started, stalled)] = databases.ask(own_url, "select attempts_started, stalled_count from rowline.jobs")
    assert (stalled, started <= 2) == (0, True)


def waits(url: str) -> bool:
    """Tell whether the server listens for the queue's jobs."""
    return bool(databases.ask(url, "select 1 from pg_stat_activity where query ilike 'listen%' or query = 'select 1'"))


def test_a_stopping_server_lets_go_who_waits(own_url: str) -> None:
    with raw.server(own_url, **NEVER_POLLED) as server, contextlib.ExitStack() as stack:
        waiting = begin(server, stack, wait=25_000)
        time.sleep(0.3)
        server.ask(raw.request("GET", "/health/live"), wanted=1)
        server.program.process.terminate()
        assert server.program.process.wait(60) == 0
        answer = waiting.recv(65_536)
    assert answer.endswith(b'{"jobs":[]}')


def test_a_flood_of_waits_holds_up_nobody_else(server: Server) -> None:
    """They wait in many queues, where nothing comes; adding and working go on."""
    with contextlib.ExitStack() as stack:
        for nth in range(200):
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            opened.sendall(raw.request("POST", f"/queues/empty-{nth}/jobs/claim", body=b'{"wait":25000}'))
        worst = 0.0
        for _ in range(30):
            started = time.monotonic()
            add(server, queue="busy")
            assert len(claim(server, "busy")) == 1
            worst = max(worst, time.monotonic() - started)
    assert worst < 25, "not behind those who wait for 25 s"
