"""GET /queues/:queue/jobs/:id?wait=…: the answer when the job has ended."""

import contextlib
import dataclasses
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, databases, raw, work
from tests.support.client import Client
from tests.support.clusters import until
from tests.support.raw import Server
from tests.support.tokens import issue

JOBS = "/queues/q/jobs"


@pytest.fixture
def application(settings: Settings, db: Database) -> Flask:
    """One for each test, whose waits for ends are its own."""
    return app.create(settings, db)


@pytest.fixture
def pool(client: Client) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as opened:
        yield opened
        client.flask.application.extensions["rowline-ends"].close()


def begun(pool: ThreadPoolExecutor, client: Client, job_id: str) -> Future[TestResponse]:
    """Have a request wait for a job; return when it does."""
    flask = client.flask.application
    waiting = pool.submit(flask.test_client().get, f"{JOBS}/{job_id}?wait=30000", headers=client.authorization)
    until(lambda: flask.extensions["rowline-ends"]._waiting)  # noqa: SLF001 - nothing else tells
    return waiting


def add(client: Client, **opts: object) -> str:
    return str(client.add({"name": "n", "data": 1, "opts": opts})[0]["id"])


def test_the_answer_comes_when_the_job_has_ended(client: Client, db: Database, pool: ThreadPoolExecutor) -> None:
    job_id = add(client)
    waiting = begun(pool, client, job_id)
    work.complete_next(db, result='{"sent": true}')

    job = answers.ok(waiting.result(60))
    assert (job["id"], job["status"], job["result"]) == (job_id, "completed", {"sent": True})


def test_a_cancelled_job_has_ended_too(client: Client, pool: ThreadPoolExecutor) -> None:
    job_id = add(client, jobId="own", delay=3_600_000)
    waiting = begun(pool, client, job_id)
    answers.ok(client.post(f"{JOBS}/own/cancel", ""))

    assert answers.ok(waiting.result(60))["failedReason"] == "job cancelled"


def test_a_job_that_does_not_end_is_answered_as_it_is(client: Client) -> None:
    job_id = add(client)
    began_at = time.monotonic()

    assert answers.ok(client.get(f"{JOBS}/{job_id}?wait=300"))["status"] == "waiting"
    assert time.monotonic() - began_at >= 0.3


@pytest.mark.parametrize("wait", ["0", "00", "-0"])
def test_a_wait_of_nothing_is_none(client: Client, wait: str) -> None:
    job_id = add(client)

    assert answers.ok(client.get(f"{JOBS}/{job_id}?wait={wait}"))["status"] == "waiting"
    assert client.flask.application.extensions["rowline-ends"]._thread is None  # noqa: SLF001 - nobody has waited


def test_a_job_that_has_ended_is_answered_at_once(client: Client, db: Database) -> None:
    job_id = add(client)
    work.fail_next(db)

    assert answers.ok(client.get(f"{JOBS}/{job_id}?wait=30000"))["status"] == "failed"
    assert client.flask.application.extensions["rowline-ends"]._thread is None  # noqa: SLF001 - as above


def test_a_removed_job_is_not_there(client: Client, db: Database, pool: ThreadPoolExecutor) -> None:
    waiting = begun(pool, client, add(client))
    with db.begin() as conn:
        conn.exec_driver_sql("delete from rowline.jobs")

    assert answers.problem(waiting.result(60), 404)["code"] == "job_not_found"


def test_nobody_waits_for_a_job_that_is_not_there(client: Client) -> None:
    assert answers.problem(client.get(f"{JOBS}/5?wait=30000"), 404)["code"] == "job_not_found"


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("wait=-1", "must be between 0 and 30000"),
        ("wait=30001", "must be between 0 and 30000"),
        ("wait=1e3", "must be an integer"),
        ("wait=", "must be an integer"),
        ("wait=true", "must be an integer"),
        ("wait=5&wait=5", "must not be given twice"),
    ],
)
def test_a_wait_that_cannot_be_is_named(client: Client, query: str, fault: str) -> None:
    said = answers.problem(client.get(f"{JOBS}/{add(client)}?{query}"), 400)

    assert said["error"] == "Invalid request"
    assert said["details"] == [{"path": "wait", "message": fault}]


def test_other_parameters_are_ignored(client: Client) -> None:
    assert answers.ok(client.get(f"{JOBS}/{add(client)}?waiting=x&awaited=y"))["status"] == "waiting"


def test_the_operator_may_shorten_the_wait(settings: Settings, db: Database) -> None:
    flask = app.create(dataclasses.replace(settings, max_wait_ms=0), db)
    client = Client(flask.test_client(), token=TOKEN)

    assert answers.ok(client.get(f"{JOBS}/{add(client)}?wait=30000"))["status"] == "waiting"
    assert flask.extensions["rowline-ends"]._thread is None  # noqa: SLF001 - nobody has waited


def test_who_may_not_see_what_jobs_hold_may_wait_for_their_ends(
    client: Client, db: Database, pool: ThreadPoolExecutor
) -> None:
    job_id = add(client)
    reader = Client(client.flask, token=issue(db, "jobs:read@q").secret)
    waiting = begun(pool, reader, job_id)
    work.complete_next(db, result='"secret"')

    answer = waiting.result(60)
    assert answers.ok(answer)["status"] == "completed"
    assert "secret" not in answer.text


def test_a_token_that_is_revoked_meanwhile_reads_nothing(
    client: Client, db: Database, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queries.tokens.TRUST_S", 0.0)
    monkeypatch.setattr("app.operations.jobends.CHECK_S", 0.01)
    issued = issue(db, "jobs:read", "payload")
    waiting = begun(pool, Client(client.flask, token=issued.secret), add(client))
    answers.ok(client.flask.delete(f"/tokens/{issued.token.id}", headers=client.authorization))

    assert answers.problem(waiting.result(60), 401)["code"] == "unauthorized"


@pytest.fixture
def own(own_url: str) -> Iterator[Server]:
    with raw.server(own_url, **raw.PATIENT) as opened:
        yield opened


def put(server: Server) -> None:
    body = json.dumps([{"name": "n", "data": 1}]).encode()
    [answer] = server.ask(raw.request("POST", JOBS, body=body), wanted=1)
    assert answer.status == 200, answer.body


def begin(server: Server, stack: contextlib.ExitStack, job_id: str = "1") -> socket.socket:
    """Begin to wait for a job, and do not read the answer."""
    opened = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
    opened.sendall(raw.request("GET", f"{JOBS}/{job_id}?wait=30000"))
    return opened


def read(connection: socket.socket) -> raw.Answer:
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        more = connection.recv(65_536)
        assert more, received
        received += more
    [answer] = raw.answers_in(received)
    return answer


def test_hundreds_wait_on_few_connections_and_hold_up_nobody(own: Server, own_url: str) -> None:
    put(own)
    with contextlib.ExitStack() as stack:
        waiting = [begin(own, stack) for _ in range(300)]
        began_at = time.monotonic()
        [live] = own.ask(raw.request("GET", f"{JOBS}/1"), wanted=1)
        assert live.json()["status"] == "waiting"
        assert time.monotonic() - began_at < 30, "not behind those who wait for 30 s"
        [claimed] = own.ask(raw.request("POST", f"{JOBS}/claim", body=b"{}"), wanted=1)
        token = claimed.json()["jobs"][0]["token"]
        used = "select count(*) from pg_stat_activity where application_name like 'rowline-api%'"
        assert databases.ask(own_url, used)[0][0] < 25
        body = json.dumps({"token": token, "returnvalue": 5}).encode()
        [ended] = own.ask(raw.request("POST", f"{JOBS}/1/complete", body=body), wanted=1)
        assert ended.status == 200
        assert {(answer.status, answer.json()["returnvalue"]) for answer in map(read, waiting)} == {(200, "5")}
    own.check()


def test_who_leaves_is_waited_for_no_longer(own: Server) -> None:
    put(own)
    with contextlib.ExitStack() as stack:
        begin(own, stack)
        [live] = own.ask(raw.request("GET", f"{JOBS}/1"), wanted=1)
        assert live.status == 200
    began_at = time.monotonic()
    until(lambda: own.log().count(f'"path":"{JOBS}/1"') == 2)
    assert time.monotonic() - began_at < 30, "not after the 30 s for which it would have waited"


def test_a_stopping_server_answers_who_waits(own_url: str) -> None:
    with raw.server(own_url, **raw.PATIENT) as server, contextlib.ExitStack() as stack:
        put(server)
        waiting = begin(server, stack)
        server.log()  # which is answered after the wait has begun, most likely; the test holds either way
        server.program.process.terminate()
        assert server.program.process.wait(60) == 0
        answer = read(waiting)
    assert (answer.status, answer.json()["status"]) == (200, "waiting")
