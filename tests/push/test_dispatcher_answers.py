"""What comes of a job when an endpoint's answer comes in an odd way, or hardly comes at all."""

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from app.domain.states import Status
from app.postgres.database import Database
from tests.support import receivers
from tests.support.clusters import Program
from tests.support.jobs import new
from tests.support.receivers import Call, Receiver, answer, says
from tests.support.workers import add, in_status

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 7\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
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
        (in_pieces(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"), "not HTTP: the line before a chunk is no size"),
        (in_pieces(CHUNKED + b"5\r\nhelloXX0\r\n\r\n"), "not HTTP: no CRLF follows a chunk"),
        (in_pieces(HINTS, b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"), "HTTP 500 Internal Server Error"),
    ],
)
def test_what_is_no_answer_or_breaks_its_limits_fails_the_attempt_and_says_why(
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


def closes_on_a_kept_connection(end: Callable[[socket.socket], object]) -> receivers.Behaviour:
    """Answer the first call of a connection, and `end` it as soon as the second has come."""
    served: set[socket.socket] = set()

    def behaviour(connection: socket.socket, call: Call) -> None:
        if connection in served:
            end(connection)
            raise ConnectionAbortedError
        served.add(connection)
        says("200 OK", b"done")(connection, call)

    return behaviour


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("end", [socket.socket.close, reset])
def test_a_kept_connection_that_is_closed_under_a_call_costs_no_attempt(
    db: Database, program: Program, end: Callable[[socket.socket], object]
) -> None:
    with Receiver(closes_on_a_kept_connection(end)) as receiver:
        receivers.register(db, receiver.url)
        jobs = [in_status(db, add(db, new())[0]) for _ in range(2)]

    assert [(job.status, job.result) for job in jobs] == [(Status.COMPLETED, '"done"')] * 2
    _, cut, again = receiver.calls
    assert (cut.line, cut.headers, cut.body) == (again.line, again.headers, again.body)
    assert receiver.connections == 2


def test_a_call_is_sent_again_once_at_most(db: Database, program: Program) -> None:
    def behaviour(connection: socket.socket, call: Call) -> None:
        if len(receiver.calls) > 1:
            raise ConnectionAbortedError
        says()(connection, call)

    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url)
        _, job = [in_status(db, add(db, new())[0]) for _ in range(2)]

    assert (job.status, job.attempts_made) == (Status.FAILED, 1)
    assert "the connection broke before the answer was whole" in (job.failed_reason or "")
    assert (receiver.connections, len(receiver.calls)) == (2, 3)


@pytest.mark.parametrize("begun", [b"H", HINTS, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_call_whose_answer_has_begun_is_not_sent_again(db: Database, program: Program, begun: bytes) -> None:
    with Receiver(closes_on_a_kept_connection(lambda connection: connection.sendall(begun))) as receiver:
        receivers.register(db, receiver.url)
        _, job = [in_status(db, add(db, new())[0]) for _ in range(2)]

    assert job.status is Status.FAILED
    assert (receiver.connections, len(receiver.calls)) == (1, 2)


def test_a_first_call_on_a_connection_is_not_sent_again(db: Database, program: Program) -> None:
    with Receiver(lambda connection, _call: connection.close()) as receiver:
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new())[0])

    assert job.status is Status.FAILED
    assert (receiver.connections, len(receiver.calls)) == (1, 1)


def test_a_call_that_is_sent_again_has_no_more_time_than_others(db: Database, program: Program) -> None:
    def behaviour(connection: socket.socket, call: Call) -> None:
        ends = {1: says(), 2: lambda *_: reset(connection), 3: receivers.silence}
        ends[len(receiver.calls)](connection, call)

    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url, timeout_ms=2_500)  # long enough for the first two on any machine
        _, job = [in_status(db, add(db, new())[0]) for _ in range(2)]

    assert job.failed_reason == "the endpoint did not answer within 2500 ms"
    assert len(receiver.calls) == 3


def test_an_endpoint_that_has_gone_under_a_kept_connection_fails_the_attempt(db: Database, program: Program) -> None:
    def behaviour(connection: socket.socket, call: Call) -> None:
        if len(receiver.calls) > 1:
            receiver.stop()
            raise ConnectionAbortedError
        says()(connection, call)

    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url)
        _, job = [in_status(db, add(db, new())[0]) for _ in range(2)]

    assert job.failed_reason == "the endpoint cannot be reached: Connection refused"


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n200",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
    ids=["some", "none", "what is JSON too", "that said it would close", "chunks"],
)
def test_half_an_answer_completes_no_job(db: Database, program: Program, half: bytes) -> None:
    with Receiver(breaks_off(half)) as receiver:
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new())[0])

    assert (job.status, job.result) == (Status.FAILED, None)
    assert "the connection broke before the answer was whole" in (job.failed_reason or "")
