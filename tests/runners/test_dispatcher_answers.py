"""What comes of a job when an endpoint's answer comes in an odd way, or hardly comes at all."""

import socket
from collections.abc import Iterator

import pytest

from app.domain.states import Status
from app.infra.database import Database
from tests.support import receivers
from tests.support.clusters import Program
from tests.support.jobs import new
from tests.support.receivers import Call, Receiver, answer
from tests.support.workers import add, in_status

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 7\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNKNOWN = b"HTTP/1.1 199 Patience\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def program(shared_url: str) -> Iterator[Program]:
    with receivers.dispatcher(shared_url) as running:
        yield running


def in_pieces(*pieces: bytes) -> receivers.Behaviour:
    """Send these one by one, as far as a socket lets us say so, and then the answer."""

    def behaviour(connection: socket.socket, _call: Call) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (*pieces, answer("200 OK", b"done")):
            connection.sendall(piece)

    return behaviour


@pytest.mark.parametrize(
    "interim",
    [[HINTS], [PROCESSING] * 50, [CONTINUE, HINTS, CONTINUE, PROCESSING], [UNKNOWN], [HINTS[:20], HINTS[20:]]],
    ids=["103", "102s", "several", "199", "halves"],
)
def test_what_is_said_before_the_answer_is_passed_over(db: Database, program: Program, interim: list[bytes]) -> None:
    with Receiver(in_pieces(*interim)) as receiver:
        receivers.register(db, receiver.url)
        jobs = [in_status(db, add(db, new())[0]) for _ in range(2)]

    assert [(job.status, job.result) for job in jobs] == [(Status.COMPLETED, '"done"')] * 2
    assert (receiver.connections, len(receiver.calls)) == (1, 2)


def endlessly(piece: bytes) -> receivers.Behaviour:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        while True:
            connection.sendall(piece)

    return behaviour


def breaks_off(piece: bytes) -> receivers.Behaviour:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        connection.sendall(piece)
        connection.shutdown(socket.SHUT_RDWR)

    return behaviour


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (in_pieces(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "the endpoint answered 101 Switching Protocols"),
        (in_pieces(HINTS, b"HTTP/1.1 101 \r\nUpgrade: h2c\r\n\r\n"), "the endpoint answered 101 Switching Protocols"),
        (in_pieces(PROCESSING * 1_001), "the endpoint said 1xx over 1000 times before its answer"),
        (endlessly(PROCESSING), "the endpoint said 1xx over 1000 times before its answer"),
        (endlessly(HINTS[:-2] + b"X: " + b"x" * 1_000 + b"\r\n\r\n"), "or its head than 65536"),
        (breaks_off(HINTS), "the connection broke before the answer was whole"),
        (breaks_off(HINTS[:40]), "the connection broke before the answer was whole"),
        (in_pieces(HINTS, b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"), "HTTP 500 Internal Server Error"),
    ],
)
def test_what_is_said_before_the_answer_is_no_answer_and_has_its_limits(
    db: Database, program: Program, behaviour: receivers.Behaviour, reason: str
) -> None:
    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new())[0])

    assert job.status is Status.FAILED
    assert reason in (job.failed_reason or "")


def test_an_endpoint_that_says_only_that_it_works_is_too_slow(db: Database, program: Program) -> None:
    def behaviour(connection: socket.socket, call: Call) -> None:
        connection.sendall(PROCESSING)
        receivers.silence(connection, call)

    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url, timeout_ms=400)
        job = in_status(db, add(db, new())[0])

    assert job.failed_reason == "the endpoint did not answer within 400 ms"
