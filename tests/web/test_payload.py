"""Without the scope `payload` nothing of the contents of jobs is in any answer; its name and its options are."""

import json
from typing import Any

import pytest

from app.domain.tokens import Action
from app.postgres.database import Database
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.tokens import issue

CANARY = "canary-5e1f0c"
SEEN = "seen"
PATH = "/queues/q/jobs"


def token(db: Database, *scopes: str) -> str:
    return issue(db, *scopes).secret


@pytest.fixture
def jobs(client: Client) -> dict[str, str]:
    """Jobs whose contents a search would find: failed and to be retried, completed, active, waiting; by id."""
    opts = {"attempts": 2, "backoff": 0}
    for job_id in ("failed", "completed", "active", "waiting"):
        client.add({"name": SEEN, "data": {CANARY: CANARY}, "opts": opts | {"jobId": job_id, "tags": [SEEN]}})
    held = {}
    for lease in answers.ok(client.post(f"{PATH}/claim", json.dumps({"count": 3})))["jobs"]:
        job_id = held_id = lease["job"]["id"]
        held[held_id] = lease["token"]
        for noun, value in (("progress", {CANARY: 1}), ("logs", CANARY)):
            said = client.flask.post(
                f"{PATH}/{job_id}/{noun}", data=json.dumps(value), headers={"Authorization": f"Bearer {lease['token']}"}
            )
            assert said.status_code == 200
    failure = {"token": held["failed"], "failedReason": CANARY, "stacktrace": CANARY}
    answers.ok(client.post(f"{PATH}/failed/fail", json.dumps(failure)))
    answers.ok(
        client.post(f"{PATH}/completed/complete", json.dumps({"token": held["completed"], "returnvalue": CANARY}))
    )
    return held


def asked(client: Client) -> list[tuple[str, str, Any]]:
    """Return what a client can ask about them, but claims and what needs the token of an attempt."""
    reads = [("GET", path, None) for path in (PATH, f"{PATH}?name={SEEN}", f"{PATH}?tag={SEEN}&since=0", "/jobs")]
    for job_id in ("failed", "completed", "active", "waiting"):
        reads += [("GET", f"{PATH}/{job_id}{part}", None) for part in ("", "/attempts", "/logs")]
    duplicate = [{"name": "other", "data": 1, "opts": {"jobId": "failed"}}]
    return [
        *reads,
        ("POST", PATH, duplicate),
        ("PATCH", f"{PATH}/waiting", {"priority": 3, "tags": [SEEN]}),
        ("PATCH", f"{PATH}/waiting", {"delay": 60_000}),
        ("POST", f"{PATH}/waiting/promote", None),
        ("POST", f"{PATH}/active/cancel", None),
        ("POST", f"{PATH}/completed/retry", None),
        ("DELETE", f"{PATH}/completed", None),
        ("GET", "/workers", None),
        ("GET", "/audit", None),
    ]


@pytest.mark.usefixtures("jobs")
def test_no_byte_of_the_contents_is_in_any_answer_and_what_is_left_out_is_named(client: Client, db: Database) -> None:
    every = [action for action in Action if action is not Action.PAYLOAD]
    program = Client(client.flask, token=token(db, *every))

    hidden: set[str] = set()
    for method, path, body in asked(client):
        data = None if body is None else json.dumps(body)
        answer = program.flask.open(path, method=method, data=data, headers=program.authorization)
        assert answer.status_code == 200, answer.text
        assert CANARY not in answer.text, path
        said: Any = answer.json
        for part in [*said.get("jobs", ()), said] if isinstance(said, dict) else said:
            hidden |= set(part.get("hidden", ()))
    assert hidden == {"data", "progress", "returnvalue", "result", "failedReason", "stacktrace", "reason", "logs"}


@pytest.mark.usefixtures("jobs")
def test_with_payload_on_the_queue_they_are_there(client: Client, db: Database) -> None:
    program = Client(client.flask, token=token(db, "jobs:read", "payload@q"))

    job = answers.ok(program.get(f"{PATH}/failed"))
    assert job == client.job("failed")
    assert (job["data"], job["failedReason"]) == ({CANARY: CANARY}, CANARY)
    assert answers.ok(program.get(f"{PATH}/failed/logs"))["logs"] == [CANARY]
    other = Client(client.flask, token=token(db, "jobs:read", "payload@other"))
    assert "data" not in answers.ok(other.get(f"{PATH}/failed"))


@pytest.mark.usefixtures("jobs")
def test_what_is_no_content_is_shown(client: Client, db: Database) -> None:
    program = Client(client.flask, token=token(db, "jobs:read"))
    job, whole = answers.ok(program.get(f"{PATH}/waiting")), client.job("waiting")

    assert job["hidden"] == ["data", "stacktrace"]
    assert {name: value for name, value in whole.items() if name in job} == {
        name: value for name, value in job.items() if name != "hidden"
    }
    assert (job["name"], job["tags"], job["progress"], job["opts"]["attempts"]) == (SEEN, [SEEN], 0, 2)
    [attempt] = answers.ok(program.get(f"{PATH}/failed/attempts"))["attempts"]
    assert attempt["outcome"] == "failed"
    assert answers.ok(program.get(f"{PATH}/failed/logs"))["count"] == 1


@pytest.mark.parametrize("progress", ['"canary"', '["canary"]', ' {"canary": 1}', "true", "null"])
def test_progress_that_is_no_number_is_hidden_however_it_was_stored(
    client: Client, db: Database, shared_url: str, progress: str
) -> None:
    """A handler that writes to the socket of its worker stores any JSON."""
    [job] = client.add({"name": "n", "data": 1})
    program = Client(client.flask, token=token(db, "jobs:read"))
    databases.run(shared_url, f"update rowline.jobs set progress = '{progress}'")
    assert "progress" in answers.ok(program.get(f"{PATH}/{job['id']}"))["hidden"]

    databases.run(shared_url, "update rowline.jobs set progress = ' -1.5'")
    assert answers.ok(program.get(f"{PATH}/{job['id']}"))["progress"] == -1.5


def test_who_creates_a_job_is_shown_it_and_a_duplicate_is_not(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": CANARY, "opts": {"jobId": "there"}})
    program = Client(client.flask, token=token(db, "jobs:add"))
    new = [{"name": "n", "data": 1}, {"name": "n", "data": 2, "opts": {"jobId": "there"}}]

    created, duplicate = program.add(*new)
    assert (created["data"], created["outcome"]) == (1, "created")
    assert "hidden" not in created
    assert (duplicate["hidden"], duplicate["outcome"]) == (["data", "stacktrace"], "duplicate")


def test_a_stored_answer_shows_no_more_than_the_first_one(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": CANARY, "opts": {"jobId": "there"}})
    program = Client(client.flask, token=token(db, "jobs:add"))
    body = json.dumps([{"name": "n", "data": 2, "opts": {"jobId": "there"}}])

    said = [program.post(PATH, body, Idempotency_Key="k").text for _ in range(2)]
    assert said[0] == said[1]
    assert CANARY not in said[0]


@pytest.mark.usefixtures("jobs")
def test_a_worker_sees_the_data_of_the_jobs_that_it_claims_and_not_what_became_of_them_before(
    client: Client, db: Database
) -> None:
    program = Client(client.flask, token=token(db, "work@q"))

    claimed = answers.ok(program.post(f"{PATH}/claim", json.dumps({"count": 1})))["jobs"]
    finished = answers.ok(program.post(f"{PATH}/finish", json.dumps({"jobs": [], "claim": {"count": 1}})))["jobs"]
    shown = {lease["job"]["id"]: lease["job"] for lease in claimed + finished}
    assert set(shown) == {"failed", "waiting"}
    assert all(job["data"] == {CANARY: CANARY} for job in shown.values())
    assert shown["failed"]["hidden"] == ["progress", "failedReason", "stacktrace"]
    assert shown["waiting"]["hidden"] == ["stacktrace"]
