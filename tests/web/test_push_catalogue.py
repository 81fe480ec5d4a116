"""What goes wrong with endpoints and their receivers, over real sockets; the names are those of the catalogue.

W07 and the certificates of W13 are in tests/net/test_outbound.py, where a resolver can be told what to say.
"""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.endpoint import TIMEOUT_MS
from app.operations import maintenance
from app.postgres.database import Database
from tests.support import jobs, raw, receivers
from tests.support.clusters import Program, until
from tests.support.raw import Answer, Server
from tests.support.receivers import SECRET, Behaviour, Call, Receiver, answer, says
from tests.support.spellings import HOSTS, LOOK_ALIKES, ONLY_RESOLVED

URL = "https://example.com/jobs"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def served(shared_url: str) -> Iterator[Server]:
    """`rowline serve` as shipped."""
    with raw.server(shared_url) as server:
        yield server


@pytest.fixture
def server(served: Server, db: Database) -> Iterator[Server]:
    """The same on an empty database. Its log must be clean at the end."""
    yield served
    served.check()


@pytest.fixture(scope="module")
def program(shared_url: str) -> Iterator[Program]:
    """A dispatcher that may call this machine."""
    with receivers.dispatcher(shared_url) as running:
        yield running


def ask(server: Server, method: str, path: str, body: object = None) -> Answer:
    sent = b"" if body is None else json.dumps(body).encode()
    [said] = server.ask(raw.request(method, path, body=sent), wanted=1)
    return said


def register(server: Server, opts: object = None, **endpoint: Any) -> Answer:
    members = {name: value for name, value in ({"url": URL, "method": "POST"} | endpoint).items() if value is not None}
    return ask(server, "POST", "/workers", {"queue": "q", "endpoint": members, "opts": opts})


def refused(server: Server, place: str, opts: object = None, **endpoint: Any) -> str:
    """See that this is refused at `place` and leaves nothing behind; return what is said of it."""
    said = register(server, opts, **endpoint)
    assert said.status == 400, said.body
    [fault] = said.json()["details"]
    assert fault["path"] == place
    assert ask(server, "GET", "/workers").json() == {}
    return str(fault["message"])


def job(server: Server, data: object = 1, **opts: object) -> str:
    [added] = ask(server, "POST", "/queues/q/jobs", [{"name": "n", "data": data, "opts": opts}]).json()
    return str(added["id"])


def ended(server: Server, job_id: str) -> dict[str, Any]:
    """Wait until a job has ended; return it."""

    def found() -> dict[str, Any]:
        return dict(ask(server, "GET", f"/queues/q/jobs/{job_id}").json())

    until(lambda: "finishedOn" in found())
    return found()


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ({"url": None}, "endpoint.url"),
        ({"method": None}, "endpoint.method"),
        ({"method": "GET"}, "endpoint.method"),
        ({"method": "DELETE"}, "endpoint.method"),
        ({"method": "POST "}, "endpoint.method"),
    ],
)
def test_w01_what_is_no_endpoint_is_refused(server: Server, endpoint: dict[str, Any], place: str) -> None:
    refused(server, place, **endpoint)


@pytest.mark.parametrize("method", ["post", "Put", "PATCH"])
def test_w01_a_method_may_be_in_any_case(server: Server, method: str) -> None:
    assert register(server, method=method).body == b"OK"


@pytest.mark.parametrize("host", [host for host in (*HOSTS, *LOOK_ALIKES) if host not in ONLY_RESOLVED])
def test_w03_w05_no_spelling_of_a_forbidden_address_is_registered(server: Server, host: str) -> None:
    refused(server, "endpoint.url", url=f"http://{host}:8080/")


def test_w03_w05_none_of_them_is_connected_to_however_it_came_into_the_database(
    server: Server, db: Database, shared_url: str
) -> None:
    hosts = [*LOOK_ALIKES, *HOSTS]
    assert len(hosts) > 60
    with Receiver(everywhere=True) as canary, receivers.dispatcher(shared_url, webhook_allow="") as running:
        for nth, host in enumerate(hosts):
            receivers.register(db, f"http://{host}:{canary.port}/", queue=f"q{nth}")
            ask(server, "POST", f"/queues/q{nth}/jobs", [{"name": host, "data": 1}])
        for _ in LOOK_ALIKES:  # which no URL may hold, and no job is called for
            running.expect("endpoint_unusable")
        reasons = {host: failed_at(server, nth) for nth, host in enumerate(hosts) if host in HOSTS}
        assert canary.connections == 0
    assert {host: said for host, said in reasons.items() if "not public" not in said and "cannot be" not in said} == {}


def failed_at(server: Server, nth: int) -> str:
    """Wait until the one job of a queue has failed; return why."""

    def page() -> Any:
        return ask(server, "GET", f"/queues/q{nth}/jobs").json()

    until(lambda: page()["counts"]["failed"])
    return str(page()["jobs"][0]["failedReason"])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "localhost", "[::1]"])
def test_w05_the_same_canary_hears_what_the_operator_allows(
    server: Server, program: Program, db: Database, host: str
) -> None:
    with Receiver(everywhere=True) as canary:
        receivers.register(db, f"http://{host}:{canary.port}/")
        assert ended(server, job(server))["status"] == "completed"
        assert canary.connections == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pw@example.com/",
        "http://good.com\\@127.0.0.1",
        "http://127.0.0.1#@good.com",
        "http://a@b@127.0.0.1",
        "http://example.com/a#b",
        "http://example.com\t/",
        "http://example.com/\r\nX: y",
    ],
)
def test_w09_a_url_that_two_would_read_differently_is_refused(server: Server, url: str) -> None:
    refused(server, "endpoint.url", url=url)


@pytest.mark.parametrize("headers", [{f"H{nth}": "v" for nth in range(200)}, {"A": "x" * 65_536}])
def test_w11_more_headers_than_a_request_can_have_are_refused(server: Server, headers: dict[str, str]) -> None:
    refused(server, "endpoint.headers", headers=headers)


def one_byte_a_time(connection: socket.socket, _call: Call) -> None:
    for byte in answer("200 OK", b"x" * 1_000):
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def a_gigabyte(connection: socket.socket, _call: Call) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    while True:
        connection.sendall(b"x" * 1_000_000)


def a_gigabyte_in_chunks(connection: socket.socket, _call: Call) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"F4240\r\n" + b"x" * 1_000_000 + b"\r\n")


def only_100_continue(connection: socket.socket, _call: Call) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)


@pytest.mark.parametrize(
    ("behaviour", "timeout_ms", "reason"),
    [
        (receivers.silence, 500, "did not answer within 500 ms"),
        (one_byte_a_time, 500, "did not answer within 500 ms"),
        (a_gigabyte, TIMEOUT_MS, "longer than 1048576 bytes"),
        (a_gigabyte_in_chunks, TIMEOUT_MS, "longer than 1048576 bytes"),
        (only_100_continue, TIMEOUT_MS, "the endpoint said 1xx over 1000 times"),
        (
            says("200 OK", b"\x1f\x8b" + b"\0" * 1_000, "Content-Encoding: gzip"),
            TIMEOUT_MS,
            "the endpoint's answer is encoded",
        ),
        (says("200 OK", b"{", JSON), TIMEOUT_MS, "the endpoint's answer is not JSON"),
        (lambda connection, _call: connection.close(), TIMEOUT_MS, "the connection broke"),
    ],
    ids=["silence", "1 byte/s", "1 GB", "1 GB in chunks", "100-continue", "gzip", "no JSON", "hangs up"],
)
def test_w13_a_receiver_that_answers_badly_fails_its_job_in_time_and_holds_up_no_other(
    server: Server, program: Program, db: Database, behaviour: Behaviour, timeout_ms: int, reason: str
) -> None:
    with Receiver(behaviour) as bad, Receiver() as good:
        receivers.register(db, bad.url, timeout_ms=timeout_ms)
        receivers.register(db, good.url, queue="good")
        ask(server, "POST", "/queues/good/jobs", [{"name": "n", "data": 1}])
        found = ended(server, job(server, attempts=2))
        good.expect(1)
    assert (found["status"], found["attemptsMade"]) == ("failed", 2)
    assert reason in found["failedReason"]


def test_w13_an_answer_without_a_body_is_a_good_one(server: Server, program: Program, db: Database) -> None:
    with Receiver(says("204 No Content")) as receiver:
        receivers.register(db, receiver.url)
        assert ended(server, job(server))["returnvalue"] == ""


def test_w15_an_answer_after_the_end_of_the_lease_does_not_finish_the_job_twice(
    server: Server, program: Program, db: Database
) -> None:
    def late(connection: socket.socket, call: Call) -> None:
        if len(receiver.calls) == 1:
            with db.begin() as conn:
                jobs.make_due(conn, int(call.job["id"]))
            maintenance.recover_stalled(db, max_stalled_count=9)
            db.notify("q")
            receiver.expect(2)
        connection.sendall(answer("200 OK", call.headers["idempotency-key"].encode()))

    with Receiver(late) as receiver:
        receivers.register(db, receiver.url, concurrency=2)
        job_id = job(server)
        program.expect("lease_lost")
        found = ended(server, job_id)
    told = ask(server, "GET", f"/queues/q/jobs/{job_id}/attempts").json()["attempts"]
    assert [attempt["outcome"] for attempt in told] == ["stalled", "completed"]
    assert found["returnvalue"] == receiver.calls[1].headers["idempotency-key"]


def test_w17_nobody_elses_token_is_in_what_is_sent(server: Server, program: Program, db: Database) -> None:
    ask(server, "POST", "/queues/other/jobs", [{"name": "n", "data": 1}])
    [lease] = ask(server, "POST", "/queues/other/jobs/claim", {}).json()["jobs"]
    with Receiver() as receiver:
        receivers.register(db, receiver.url)
        for nth in range(3):
            ended(server, job(server, nth))
    tokens = [call.headers["idempotency-key"] for call in receiver.calls]
    assert len({*tokens, lease["token"]}) == 4
    for call, own in zip(receiver.calls, tokens, strict=True):
        sent = json.loads(call.body)
        assert set(sent) == {"job", "token"}
        assert sent["token"] == sent["job"]["token"] == own
        assert not [token for token in (*tokens, lease["token"]) if token != own and token.encode() in call.body]


@pytest.mark.parametrize(
    ("opts", "place"),
    [
        ({"concurrency": -1}, "opts.concurrency"),
        ({"concurrency": 1.5}, "opts.concurrency"),
        ({"concurrency": "2"}, "opts.concurrency"),
        ({"concurrency": 10**9}, "opts.concurrency"),
        ({"limiter": {"max": 1}}, "opts.limiter.duration"),
        ({"limiter": {"duration": 1}}, "opts.limiter.max"),
        ({"extra": 1}, "opts.extra"),
    ],
)
def test_w19_an_option_that_cannot_be_is_refused(server: Server, opts: dict[str, Any], place: str) -> None:
    refused(server, place, opts)


def test_w21_the_list_shows_urls_alone(server: Server) -> None:
    assert register(server, headers={"X-Key": "do-not-tell"}, secrets=[SECRET]).body == b"OK"
    assert ask(server, "GET", "/workers").json() == {"q": URL}
    assert "do-not-tell" not in server.log()
    assert SECRET not in server.log()
