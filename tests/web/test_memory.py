"""What connections may hold of the memory of a process that answers: little without a token, a setting in all."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.job import JsonText, NewJob
from app.domain.states import Status
from app.operations import jobs as operations
from app.postgres.database import Database
from app.queries import jobs
from app.queries.jobs import Part
from tests.support import raw
from tests.support.clusters import until
from tests.support.family import children
from tests.support.raw import Server

NEIGHBOUR = "a-token-of-a-neighbour"
STRANGERS = 200
STRANGER_KIB = 64  # what one of them may hold
LARGEST = "/docs/assets/swagger-ui-bundle.js"
HEADER = b"X-Long: " + b"x" * 8_000 + b"\r\n"
BODY = raw.request("POST", "/queues/q/jobs", "Content-Length: 1000000", token="wrong")
READERS = 40
ROOM_KIB = 64 * 1024  # of the one process here
MADE_KIB = 96 * 1024  # the copies of what is being made, and what libpq and malloc keep of it
PAGE = raw.request("GET", "/queues/long/jobs")  # ten jobs of 900,000 bytes
KINDS = {
    "nothing": b"",
    "a long line": b"GET /" + b"x" * 4_000,
    "a head that is nearly too long": b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + HEADER + b"X: " + b"x" * 8_000,
    "a head without end": b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + HEADER * 99,
    "long heads that wait for their turn": raw.request(
        "GET", "/x", "X: " + "x" * 8_000, "Y: " + "x" * 8_000, token="wrong"
    )
    * 20,
    "a long line and a token that is too long": b"GET /?%b HTTP/1.1\r\nAuthorization: %b\r\n\r\n"
    % (b"x" * 4_000, b"x" * 16_340),
    "a body that is not theirs to send": BODY + b"x" * 900_000,
    "trailers without end": raw.request("GET", "/health/live", "Transfer-Encoding: chunked") + b"0\r\n" + HEADER * 99,
    "the largest asset": raw.request("GET", LARGEST, token=None),
    "the OpenAPI document": raw.request("GET", "/openapi.json", token=None) * 20,
    "the longest page": raw.request("GET", "/docs/api.md", token=None) * 20,
    "a list of what there is": raw.request("GET", "/docs", token=None) * 20,
    "a refused head of many fields": raw.request(
        "GET", "/queues/q/jobs", *(f"A{nth}: " + "b" * 150 for nth in range(95)), token=None
    ),
    "what is not there": raw.request("GET", "/" + "x" * 3_000, token=None) * 10,
    "a page whose links lead up from a deep path": raw.request("GET", "/dashboard" + "/" * 3_900, token=None),
    "a region of a page again and again": raw.request("GET", "/dashboard/login?" + "fragment=main&" * 49, token=None),
}

ANSWERED = list(KINDS)[-8:]


@pytest.fixture
def strange(shared_url: str) -> Iterator[Server]:
    """A server as shipped, which has answered everything once."""
    with raw.server(shared_url, ROWLINE_CLIENT_S="60") as server:
        for path in (LARGEST, "/openapi.json", "/docs/api.md", "/docs"):
            server.ask(raw.request("GET", path, token=None), wanted=1)
        yield server


def held_kib(server: Server) -> int:
    """What the one process that answers has taken for itself, without the files of its programs.

    Of those it has pages to itself as soon as no other program runs that has read them too.
    """
    server.log()  # it has seen to what came before
    [worker] = children(server.program.pid)
    rollup = Path(f"/proc/{worker}/smaps_rollup").read_text()
    return int(re.findall(r"Private_Dirty:\s+(\d+)", rollup)[0])


@contextlib.contextmanager
def silent(server: Server, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Have so many clients send this, or as much of it as is taken, and read nothing."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.connect(("127.0.0.1", server.port))
            connection.settimeout(0.05)
            with contextlib.suppress(OSError):
                connection.sendall(sent)
            opened.append(connection)
        yield opened


def await_answers(opened: list[socket.socket]) -> None:
    """Wait until each has the beginning of its answer: the server has made it, and holds what it cannot send."""
    for connection in opened:
        connection.settimeout(60)
        assert connection.recv(1, socket.MSG_PEEK) == b"H"


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_without_a_token_holds_little(strange: Server, kind: str) -> None:
    with silent(strange, 5, KINDS[kind]):
        before = held_kib(strange)
    with silent(strange, STRANGERS, KINDS[kind]) as strangers:
        if kind in ANSWERED:
            await_answers(strangers)
        grown = held_kib(strange) - before
    assert grown / STRANGERS <= STRANGER_KIB, f"{grown / STRANGERS:.0f} KiB each"


@pytest.fixture
def crowded(db: Database, shared_url: str) -> Iterator[Server]:
    """A server with little memory for long answers, and jobs that make them."""
    data = JsonText(f'"{"x" * 900_000}"')
    operations.submit_many(db, queue="long", new=[NewJob(name="n", data=data) for _ in range(10)])
    with raw.server(shared_url, ROWLINE_MAX_ANSWERS_BYTES=str(ROOM_KIB * 1024), ROWLINE_CLIENT_S="60") as server:
        yield server


@pytest.mark.parametrize("asked", [PAGE, raw.request("GET", "/queues/long/jobs/1")], ids=["pages", "jobs"])
def test_all_who_read_slowly_hold_no_more_than_they_may(crowded: Server, db: Database, asked: bytes) -> None:
    first = jobs.Pages(db).read(queue="long", part=Part(statuses=tuple(Status), length=1)).jobs[0].id
    asked = asked.replace(b"/jobs/1 ", f"/jobs/{first} ".encode())
    assert [answer.status for answer in crowded.ask(asked, wanted=1)] == [200]
    before = held_kib(crowded)
    with silent(crowded, READERS * (1 + 9 * (asked != PAGE)), asked) as readers:
        await_answers(readers)
        assert held_kib(crowded) - before <= ROOM_KIB + MADE_KIB
        [short] = crowded.ask(raw.request("GET", "/queues/long/jobs?length=0"), wanted=1)
        assert short.status == 200
    until(lambda: crowded.ask(asked, wanted=1)[0].status == 200)


def test_who_reads_slowly_takes_no_memory_from_another_token(db: Database, shared_url: str) -> None:
    data = JsonText(f'"{"x" * 900_000}"')
    operations.submit_many(db, queue="long", new=[NewJob(name="n", data=data) for _ in range(10)])
    settings = {"AUTH_TOKENS": f"{raw.TOKEN},{NEIGHBOUR}", "ROWLINE_CLIENT_S": "60"}
    served = raw.server(shared_url, ROWLINE_MAX_ANSWERS_BYTES=str(ROOM_KIB * 1024), **settings)
    with served as server, silent(server, READERS, PAGE) as readers:
        await_answers(readers)
        [refused] = server.ask(PAGE, wanted=1)
        [page] = server.ask(raw.request("GET", "/queues/long/jobs", token=NEIGHBOUR), wanted=1)
        [claim] = server.ask(raw.request("POST", "/queues/long/jobs/claim", body=b"{}", token=NEIGHBOUR), wanted=1)
    assert [answer.status for answer in (refused, page, claim)] == [503, 200, 200]
    assert (page.json()["length"], len(claim.json()["jobs"])) == (9, 1)
