"""The form of every error, the request id of every answer, and trouble that is not the client's."""

import dataclasses
import json
import logging
from collections.abc import Iterator

import pytest
from marshmallow import Schema

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, databases
from tests.support.client import Client

JOB = '[{"name":"n","data":1}]'
CUT_AT_COMMIT = """
create function rowline.cut() returns trigger language plpgsql security definer as
    'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
create constraint trigger cut after insert on rowline.jobs deferrable initially deferred
    for each row execute function rowline.cut();
"""

SAYS = """
create function rowline.say() returns trigger language plpgsql as
    'begin raise exception ''no'' using errcode = ''{state}''; end';
create trigger say after insert on rowline.jobs for each row execute function rowline.say();
"""


def _client(settings: Settings, db: Database) -> Client:
    return Client(app.create(settings, db).test_client(), token=TOKEN)


@pytest.fixture
def own_db(settings: Settings, own_url: str) -> Iterator[Database]:
    """A database to do harm to, on which nobody waits long for a lock."""
    opened = Database(dataclasses.replace(settings, lock_ms=10), url=own_url, size=2, name="rowline-test-own")
    yield opened
    opened.close()


@pytest.fixture
def lost_client(settings: Settings) -> Client:
    """A program that talks to an application whose database is away."""
    return _client(
        settings, Database(settings, url="postgresql://x:secret@127.0.0.1:1/x", size=1, name="rowline-test-lost")
    )


@pytest.mark.parametrize("request_id", ["abc", "A-b_c.d:e/f+g=1", "x" * 128, "5"])
def test_a_sane_request_id_is_taken_over(client: Client, request_id: str) -> None:
    for path in ("/queues/q/jobs", "/queues/q/jobs/1", "/nowhere", "/health/live"):
        answer = client.flask.get(path, headers=client.authorization | {"X-Request-Id": request_id})
        assert answer.headers["X-Request-Id"] == request_id


@pytest.mark.parametrize("request_id", ["", " ", "x" * 129, "a b", "a\tb", "<x>", '"', "\xe9", "a,b", "a;b", "\\"])
def test_any_other_request_id_is_replaced(client: Client, request_id: str) -> None:
    answer = client.flask.get("/queues/q/jobs", headers=client.authorization | {"X-Request-Id": request_id})

    assert answer.headers["X-Request-Id"] != request_id
    assert len(answer.headers["X-Request-Id"]) == 32


def test_members_that_are_not_known_are_told_in_the_order_of_the_request_behind_all_else(client: Client) -> None:
    """Python's sets, in which they are found, have another order in each process."""
    letters = "qwertyuiopasdfghjklzxcvbnm"
    opts = dict.fromkeys(letters, 1) | {"attempts": -1}
    said = answers.problem(client.post("/queues/q/jobs", json.dumps([{"opts": opts, "odd": 1, "data": 1}])), 400)
    names = [f"opts.{name}" for name in ["attempts", *letters]]
    assert [one["path"] for one in said["details"]] == [f"jobs[0].{name}" for name in ["name", *names, "odd"]]


def test_every_request_has_an_id_of_its_own(client: Client) -> None:
    given = [client.get("/queues/q/jobs").headers["X-Request-Id"] for _ in range(3)]

    assert len(set(given)) == 3


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/queues/q/jobs", "GET, HEAD, OPTIONS, POST"),
        ("/queues/q/jobs/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/queues/q/jobs/1/retry", "OPTIONS, POST"),
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND"])
def test_another_method_is_refused_with_those_that_are_allowed(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = client.flask.open(path, method=method, headers=client.authorization)

    assert answers.problem(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["Allow"] == allowed


def test_a_method_cannot_be_overridden(client: Client) -> None:
    headers = client.authorization | {"X-HTTP-Method-Override": "DELETE"}

    assert client.flask.get("/queues/q/jobs", headers=headers).status_code == 200


def test_a_long_path_is_not_echoed_whole(client: Client) -> None:
    assert len(answers.error(client.get("/" + "x" * 4_000), 404)) < 250


def test_a_refusal_is_written_without_a_schema(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may be refused as often as he likes: it takes as little time as it can."""
    monkeypatch.setattr(Schema, "dump", lambda *_: pytest.fail("a schema is slow"))

    assert client.flask.get("/queues/q/jobs").status_code == 401


@pytest.mark.parametrize(
    "path", ["/queues/q/jobs", "/queues/q/jobs/1", "/queues/%00/jobs", "/nowhere", "/health/ready"]
)
def test_no_answer_may_be_kept_by_anybody(client: Client, path: str) -> None:
    headers = {"Accept": "text/html", "If-None-Match": "*", "Range": "bytes=0-1"}

    answer = client.flask.get(path, headers=client.authorization | headers)

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.mimetype == "application/json"
    assert answer.status_code in {200, 400, 404}
    asked = client.flask.options(path, headers=client.authorization)
    assert asked.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/queues/q/jobs"), ("GET", "/queues/q/jobs/1"), ("POST", "/queues/q/jobs")]
)
def test_a_database_that_is_away_is_503_with_retry_after(lost_client: Client, method: str, path: str) -> None:
    answer = lost_client.flask.open(path, method=method, data=JOB, headers=lost_client.authorization)

    said = answers.problem(answer, 503)
    assert said["code"] == "database_unavailable"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "outcome" not in said


def test_what_needs_no_database_is_answered_without_one(lost_client: Client) -> None:
    assert lost_client.post("/queues/q/jobs", "[]").text == "[]"
    assert lost_client.post("/queues/q/jobs", "[1]").status_code == 400


def test_too_long_a_wait_for_a_lock_is_503_and_stores_nothing(settings: Settings, own_db: Database) -> None:
    client = _client(settings, own_db)
    with own_db.begin() as conn:
        conn.exec_driver_sql("lock table rowline.jobs in share mode")
        answer = client.post("/queues/q/jobs", JOB)

    assert answers.problem(answer, 503)["code"] == "database_unavailable"
    assert sum(client.page()["counts"].values()) == 0


def test_a_commit_that_nobody_confirmed_says_that_its_outcome_is_unknown(
    settings: Settings, own_url: str, own_db: Database
) -> None:
    databases.run(own_url, CUT_AT_COMMIT)

    answer = _client(settings, own_db).post("/queues/q/jobs", JOB)

    said = answers.problem(answer, 503)
    assert (said["code"], said["outcome"]) == ("outcome_unknown", "unknown")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    "state",
    [
        *("40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53000", "53100", "53200", "53300", "53400"),
        *("08000", "08003", "08006", "25006", "25P03", "58030", "XX000", "XX001", "54000"),
    ],
)
def test_whatever_the_database_says_of_its_own_trouble_is_503_and_stores_nothing(
    settings: Settings, own_url: str, own_db: Database, state: str
) -> None:
    """Among them: deadlock, cancelled, shutting down, disk full, out of memory, no connections left, read only."""
    databases.run(own_url, SAYS.format(state=state))
    client = _client(settings, own_db)

    answer = client.post("/queues/q/jobs", JOB)

    said = answers.problem(answer, 503)
    assert (said["code"], "outcome" in said) == ("database_unavailable", False)
    assert int(answer.headers["Retry-After"]) >= 1
    assert sum(client.page()["counts"].values()) == 0


def test_a_request_that_gets_no_connection_is_503_and_the_next_is_served(settings: Settings, own_url: str) -> None:
    db = Database(dataclasses.replace(settings, pool_wait_ms=50), url=own_url, size=1, name="rowline-test-own")
    client = _client(settings, db)
    with db.read():
        for answer in (client.post("/queues/q/jobs", JOB), client.get("/queues/q/jobs")):
            assert answers.problem(answer, 503)["code"] == "database_unavailable"
            assert int(answer.headers["Retry-After"]) >= 1

    assert sum(client.page()["counts"].values()) == 0
    db.close()


def test_a_fault_of_ours_is_told_in_the_log_and_not_to_the_client(
    settings: Settings, own_url: str, own_db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    client = _client(settings, own_db)
    client.add({"name": "n", "data": 1, "opts": {"jobId": "mine"}})
    databases.run(own_url, "alter table rowline.jobs disable trigger user")
    databases.run(own_url, "update rowline.jobs set status = 'odd'")

    answer = client.get("/queues/q/jobs/mine")

    assert answers.problem(answer, 500) == {
        "error": "Internal error",
        "code": "internal_error",
        "requestId": answer.headers["X-Request-Id"],
    }
    assert "KeyError: 'odd'" in caplog.text


def test_every_request_is_logged_with_its_id_path_and_status(
    client: Client, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)

    answer = client.get("/queues/a%0Ab/jobs?x=%00")

    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["event"], line["requestId"]) == ("info", "request", answer.headers["X-Request-Id"])
    assert (line["method"], line["path"], line["status"]) == ("GET", "/queues/a%0Ab/jobs", 400)
    assert line["ms"] > 0


def test_requests_are_not_logged_above_their_level(
    client: Client, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)

    client.get("/queues/q/jobs")

    assert capsys.readouterr().err == ""


def test_the_password_of_the_database_is_in_no_answer(lost_client: Client) -> None:
    assert "secret" not in lost_client.get("/queues/q/jobs").text
    assert "secret" not in lost_client.get("/health/ready").text
