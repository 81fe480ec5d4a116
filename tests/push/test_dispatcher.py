"""Jobs sent to endpoints, by real dispatchers over real sockets."""

import json
import socket
import struct
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.domain.endpoint import Limiter
from app.domain.job import JsonText
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import endpoints as operations
from app.postgres.database import Database
from tests.support import receivers
from tests.support.acting import ACTOR
from tests.support.clusters import ROOT, Program
from tests.support.jobs import insert, new
from tests.support.receivers import SECRET, Call, Receiver, answer, says
from tests.support.workers import add, find, in_status

JSON = "Content-Type: application/json"
OLD = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieQ=="


@pytest.fixture(scope="module")
def program(shared_url: str) -> Iterator[Program]:
    """One dispatcher for the tests that do it no harm."""
    with receivers.dispatcher(shared_url) as running:
        yield running


def test_an_endpoint_gets_the_job_and_its_answer_is_the_result(db: Database, program: Program) -> None:
    with Receiver(says("200 OK", b'{"sent": [1, null]}', JSON)) as receiver:
        receivers.register(db, receiver.url, method="PUT", headers={"X-Key": "k"})
        job = in_status(db, add(db, new("mail", data=JsonText('{"n": 1.0, "n2": 12345678901234567890}')))[0])

    [call] = receiver.calls
    assert call.line == "PUT /jobs?x=1 HTTP/1.1"
    assert (call.headers["x-key"], call.headers["content-type"]) == ("k", "application/json")
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"
    sent = json.loads(call.body)
    assert set(sent) == {"job", "token"}
    assert sent["token"] == sent["job"]["token"] == call.headers["idempotency-key"]
    assert (sent["job"]["id"], sent["job"]["name"]) == (str(job.number), "mail")
    assert b'{"n": 1.0, "n2": 12345678901234567890}' in call.body
    assert (job.status, job.result) == (Status.COMPLETED, '{"sent": [1, null]}')
    assert (job.processed_by or "").startswith("push:")


@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        (says("204 No Content"), '""'),
        (says("200 OK", "grüß".encode(), "Content-Type: text/plain"), '"grüß"'),
        (says("202 Accepted", b'{"a": 1}'), '"{\\"a\\": 1}"'),
    ],
)
def test_a_good_answer_is_the_result(
    db: Database, program: Program, behaviour: receivers.Behaviour, result: str
) -> None:
    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new())[0])

    assert (job.status, job.result) == (Status.COMPLETED, result)


@pytest.mark.parametrize("wanted", ["read-write", "primary"])
def test_a_dispatcher_whose_url_names_the_kind_of_its_server_sends_jobs(own_url: str, wanted: str) -> None:
    url = f"{own_url}{'&' if '?' in own_url else '?'}target_session_attrs={wanted}"
    db = Database(Settings(), url=own_url, size=2, name="rowline-test-own")
    with Receiver() as receiver, receivers.dispatcher(url):
        receivers.register(db, receiver.url)
        assert in_status(db, add(db, new())[0]).status is Status.COMPLETED
    assert len(receiver.calls) == 1
    db.close()


def test_calls_at_once_keep_their_connections(db: Database, program: Program) -> None:
    at_once = 40
    together = threading.Barrier(at_once)

    def behaviour(connection: socket.socket, call: Call) -> None:
        together.wait(60)
        says()(connection, call)

    with Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url, concurrency=at_once)
        for _ in range(3):
            jobs = [in_status(db, job_id) for job_id in add(db, *(new() for _ in range(at_once)))]
            assert {job.status for job in jobs} == {Status.COMPLETED}

    assert (receiver.connections, len(receiver.calls)) == (at_once, 3 * at_once)


def reset(connection: socket.socket, _call: Call) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def flood(connection: socket.socket, _call: Call) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    while True:
        connection.sendall(b"x" * 1_000_000)


def flood_of_interim_answers(connection: socket.socket, _call: Call) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)


def drip(connection: socket.socket, _call: Call) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1_000):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (says("503 Whatever"), "HTTP 503 Service Unavailable"),
        (says("404 Not Found", b"<html>"), "HTTP 404 Not Found"),
        (says("799 \x1b[31mred<b>"), "HTTP 799 [31mred<b>"),
        (says("200 OK", b"{", JSON), "the endpoint's answer is not JSON"),
        (says("200 OK", b'"\\u0000"', JSON), "the endpoint's answer must not contain \\u0000"),
        (says("200 OK", b'"\\ud800"', JSON), "the endpoint's answer must not contain a lone surrogate"),
        (says("200 OK", b"a\x00b"), "the endpoint's answer must not contain \\u0000"),
        (says("200 OK", b"\xff"), "the endpoint's answer is not UTF-8: byte 0"),
        (says("200 OK", b"x" * 1_048_575), "the endpoint's answer must be at most 1048576 bytes"),
        (says("200 OK", b"\x1f\x8b", "Content-Encoding: gzip"), "the endpoint's answer is encoded"),
        (reset, "the connection broke before the answer was whole"),
        (flood, "the answer is longer than 1048576 bytes"),
        (flood_of_interim_answers, "the endpoint said 1xx over 1000 times before its answer"),
        (drip, "the endpoint did not answer within 400 ms"),
        (receivers.silence, "the endpoint did not answer within 400 ms"),
        (lambda connection, _call: connection.sendall(b"rubbish\r\n\r\n"), "the head of the answer is not HTTP"),
    ],
)
def test_a_bad_answer_fails_the_attempt_and_says_why(
    db: Database, program: Program, behaviour: receivers.Behaviour, reason: str
) -> None:
    with Receiver(behaviour) as receiver:
        # Where something is answered, no time limit is to be over before that, however slow the machine is.
        receivers.register(db, receiver.url, timeout_ms=400 if "400 ms" in reason else 30_000)
        job = in_status(db, add(db, new())[0])

    assert job.status is Status.FAILED
    assert reason in (job.failed_reason or "")


def test_a_dead_endpoint_fails_the_attempt(db: Database, program: Program) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # where nobody listens, and nobody else can
        receivers.register(db, f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        job = in_status(db, add(db, new())[0])

    assert job.failed_reason == "the endpoint cannot be reached: Connection refused"


def test_a_redirect_is_a_failure_and_not_followed(db: Database, program: Program) -> None:
    with Receiver() as canary, Receiver(says("307 Temporary Redirect", b"", f"Location: {canary.url}")) as receiver:
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new())[0])

    assert job.failed_reason == "HTTP 307 Temporary Redirect"
    assert canary.connections == 0


def test_signatures_verify_with_both_secrets_and_with_no_other_body(db: Database, program: Program) -> None:
    with Receiver(says("500 Broken")) as receiver:
        receivers.register(db, receiver.url, secrets=[SECRET, OLD])
        in_status(db, add(db, new(attempts=2))[0])

    first, second = receiver.calls
    for secret in (SECRET, OLD):
        assert Webhook(secret).verify(first.body, first.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(first.body + b" ", first.headers)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert "." not in first.headers["webhook-id"]
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_the_ten_lines_of_the_handbook_verify_a_call_and_refuse_an_old_or_changed_one(
    db: Database, program: Program
) -> None:
    page = (ROOT / "app" / "docs" / "webhooks.md").read_text()
    said: dict[str, Any] = {}
    exec(textwrap.dedent(page[page.index("    import base64") : page.index("The secrets are those")]), said)
    with Receiver() as receiver:
        receivers.register(db, receiver.url, secrets=[OLD, SECRET])
        in_status(db, add(db, new())[0])

    [call] = receiver.calls
    assert said["is_genuine"](SECRET, call.headers, call.body)
    assert said["is_genuine"](OLD, call.headers, call.body)
    assert not said["is_genuine"](SECRET, call.headers, call.body + b" ")
    assert not said["is_genuine"](SECRET, call.headers | {"webhook-timestamp": "1"}, call.body)
    assert not said["is_genuine"](SECRET, call.headers | {"webhook-id": "another"}, call.body)


def test_410_switches_the_endpoint_off_until_it_is_registered_again(db: Database, program: Program) -> None:
    with Receiver(says("410 Gone")) as receiver:
        receivers.register(db, receiver.url)
        job_id = add(db, new())[0]
        program.expect("endpoint_switched_off")
        job = in_status(db, job_id, Status.WAITING)
        assert job.attempts_made == 0
        receiver.behaviour = says()
        assert len(receiver.calls) == 1
        receivers.register(db, receiver.url)
        assert in_status(db, job_id).status is Status.COMPLETED


def test_an_endpoint_that_is_switched_on_gets_jobs_again(db: Database, program: Program) -> None:
    with Receiver(says("410 Gone")) as receiver:
        receivers.register(db, receiver.url)
        job_id = add(db, new())[0]
        program.expect("endpoint_switched_off")
        receiver.behaviour = says()
        operations.switch_on(db, actor=ACTOR, queue="q")
        assert in_status(db, job_id).status is Status.COMPLETED
        assert len(receiver.calls) == 2


def test_retry_after_has_the_retry_and_all_other_calls_wait(db: Database, program: Program) -> None:
    def busy_at_first(connection: socket.socket, call: Call) -> None:
        is_first = len(receiver.calls) == 1
        (says("429 Too Many Requests", b"", "Retry-After: 1") if is_first else says())(connection, call)

    with Receiver(busy_at_first) as receiver:
        receivers.register(db, receiver.url, concurrency=1)
        started = time.monotonic()
        retried, other = add(db, new(attempts=2), new())
        assert in_status(db, other).status is Status.COMPLETED
        assert time.monotonic() - started > 0.7
        assert (in_status(db, retried).status, find(db, retried).attempts_made) == (Status.COMPLETED, 2)
        assert time.monotonic() - started > 0.7
    assert len(receiver.calls) == 3


def test_concurrency_and_limiter_hold_over_two_dispatchers(db: Database, shared_url: str, program: Program) -> None:
    def slow(connection: socket.socket, _call: Call) -> None:
        time.sleep(0.05)
        connection.sendall(answer())

    with Receiver(slow) as receiver, Receiver() as limited, receivers.dispatcher(shared_url):
        receivers.register(db, receiver.url, concurrency=3)
        receivers.register(db, limited.url, queue="limited", limiter=Limiter(max_calls=2, window_ms=60_000))
        ids = add(db, *[new() for _ in range(24)])
        with db.begin() as conn:
            insert(conn, *[new() for _ in range(5)], queue="limited")
        for job_id in ids:
            in_status(db, job_id)

        assert receiver.most_open == 3
        limited.expect(2)
        assert len(limited.calls) == 2


def test_a_dead_endpoint_does_not_hold_up_another_queue(db: Database, program: Program) -> None:
    with Receiver(flood_of_interim_answers) as dead, Receiver(receivers.silence) as mute, Receiver() as receiver:
        receivers.register(db, dead.url, queue="dead", concurrency=20)
        receivers.register(db, mute.url, queue="mute", concurrency=100)
        receivers.register(db, receiver.url)
        with db.begin() as conn:
            insert(conn, *[new(attempts=50) for _ in range(50)], queue="dead")
            insert(conn, *[new() for _ in range(100)], queue="mute")
        mute.expect(100)
        for job_id in add(db, *[new() for _ in range(20)]):
            assert in_status(db, job_id).status is Status.COMPLETED
        assert mute.open == 100
