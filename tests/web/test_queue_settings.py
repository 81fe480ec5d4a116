"""The settings of queues and of the service, as a client changes them."""

import json
from typing import Any

import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.tokens import issue
from tests.web.test_queues import EMPTY, JOB, listed, queue


def change(client: Client, body: Any, path: str = "/queues/q") -> Any:
    return answers.ok(client.flask.patch(path, data=json.dumps(body), headers=client.authorization))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (True, {"count": 0}),
        (False, False),
        (0, {"count": 0}),
        (1000, {"count": 1000}),
        ({"age": 60}, {"age": 60}),
        ({"age": 60.0, "count": 5}, {"age": 60, "count": 5}),
    ],
)
def test_retention_is_set_as_in_bullmq_and_shown(client: Client, sent: Any, kept: Any) -> None:
    found = change(client, {"settings": {"removeOnComplete": sent}})
    assert found["settings"] == queue(client)["settings"] == {"removeOnComplete": kept}
    assert change(client, {"settings": {"removeOnFail": sent}})["settings"] == {
        "removeOnComplete": kept,
        "removeOnFail": kept,
    }
    assert change(client, {"settings": {"removeOnComplete": None}})["settings"] == {"removeOnFail": kept}
    assert change(client, {"settings": {"removeOnFail": None}})["settings"] == {}
    assert listed(client) == []


@pytest.mark.parametrize(
    ("sent", "path", "message"),
    [
        ("x", "removeOnComplete", "must be true, false, a number or an object"),
        (-1, "removeOnComplete", "must be between 0 and 2147483647"),
        (1.5, "removeOnComplete", "must be true, false, a number or an object"),
        ({}, "removeOnComplete", "must have age or count"),
        ([], "removeOnComplete", "must be true, false, a number or an object"),
        ({"age": "1"}, "removeOnComplete.age", "must be an integer"),
        ({"count": True}, "removeOnComplete.count", "must be an integer"),
        ({"age": 60, "count": None}, "removeOnComplete.count", "must be an integer"),
        ({"age": 10**12}, "removeOnComplete.age", "must be between 0 and 316224000"),
        ({"days": 1}, "removeOnComplete.days", "is not known here"),
    ],
)
def test_a_faulty_retention_is_refused_and_changes_nothing(client: Client, sent: Any, path: str, message: str) -> None:
    for where, body, prefix in (
        ("/queues/q", {"settings": {"removeOnFail": 1, "removeOnComplete": sent}}, "settings."),
        ("/settings", {"removeOnFail": 1, "removeOnComplete": sent}, ""),
    ):
        answer = client.flask.patch(where, data=json.dumps(body), headers=client.authorization)
        assert answers.error(answer, 400) == f"{prefix}{path} {message}"
    assert queue(client)["settings"] == {}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("{}", "settings is required"),
        ('{"settings":null}', "settings must not be null"),
        ('{"settings":5}', "settings must be an object"),
        ('{"settings":{"colour":1}}', "settings.colour is not known here"),
        ('{"paused":true}', "settings is required"),
    ],
)
def test_a_faulty_change_is_refused(client: Client, body: str, error: str) -> None:
    answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
    assert answers.error(answer, 400) == error


def test_a_queue_says_within_what_time_its_jobs_have_to_start(client: Client) -> None:
    change(client, {"settings": {"removeOnFail": 5, "startWithin": 5000.0}})
    assert queue(client)["settings"] == {"removeOnFail": {"count": 5}, "startWithin": 5000}
    [job] = client.add(JOB)
    assert job["startBy"] == job["timestamp"] + 5000
    assert change(client, {"settings": {"removeOnFail": None}})["settings"] == {"startWithin": 5000}
    assert change(client, {"settings": {"startWithin": None}})["settings"] == {}
    entries = answers.ok(client.get("/audit"))["entries"]
    assert [(one["before"], one["after"]) for one in entries[:2]] == [
        ({"startWithin": 5000}, {}),
        ({"removeOnFail": {"count": 5}, "startWithin": 5000}, {"startWithin": 5000}),
    ]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (0, "must be between 1 and 316224000000"),
        (316_224_000_001, "must be between 1 and 316224000000"),
        (1.5, "must be an integer"),
        ("5", "must be an integer"),
        (True, "must be an integer"),
    ],
)
def test_a_faulty_time_to_start_is_refused(client: Client, sent: Any, message: str) -> None:
    body = json.dumps({"settings": {"startWithin": sent}})
    answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
    assert answers.error(answer, 400) == f"settings.startWithin {message}"


def test_a_time_to_start_is_refused_while_an_older_program_is_connected_that_would_not_obey_it(
    client: Client, shared_url: str
) -> None:
    body = json.dumps({"settings": {"startWithin": 5, "removeOnFail": 5}})
    with databases.connected(shared_url, "rowline-worker 0023"):
        answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
        said = answers.problem(answer, 409)
        assert said["code"] == "older_nodes_run"
        assert said["error"].endswith(": rowline-worker 0023: 1")
        assert queue(client)["settings"] == {}
        assert change(client, {"settings": {"startWithin": None, "removeOnFail": 5}})["settings"] == {
            "removeOnFail": {"count": 5}
        }


def test_the_first_time_to_start_keeps_older_programs_out(own_url: str, settings: Settings) -> None:
    db = Database(settings, url=own_url, size=2, name="rowline-api")
    client = Client(app.create(settings, db).test_client(), token=TOKEN)
    oldest = "select oldest from rowline.alembic_version"
    [(before,)] = databases.ask(own_url, oldest)
    change(client, {"settings": {"startWithin": None}})
    assert databases.ask(own_url, oldest) == [(before,)]
    change(client, {"settings": {"startWithin": 5}})
    assert databases.ask(own_url, oldest) == [("0024",)]
    db.close()


def test_settings_and_a_pause_stay_when_the_other_goes(client: Client) -> None:
    change(client, {"settings": {"removeOnFail": 5}})
    answers.ok(client.post("/queues/q/pause", ""))
    assert answers.ok(client.post("/queues/q/resume", ""))["settings"] == {"removeOnFail": {"count": 5}}
    answers.ok(client.post("/queues/q/pause", ""))
    found = change(client, {"settings": {"removeOnFail": None}})
    assert (found["paused"], found["settings"]) == (True, {})


def test_a_change_of_one_setting_leaves_the_others(client: Client) -> None:
    settings = {
        "removeOnComplete": {"age": 60},
        "removeOnFail": {"count": 5},
        "defaults": {"attempts": 3},
        "startWithin": 5000,
        "keys": ["customer.id"],
    }
    assert change(client, {"settings": settings})["settings"] == settings
    for name, value in settings.items():
        left = {other: kept for other, kept in settings.items() if other != name}
        assert change(client, {"settings": {name: None}})["settings"] == left
        assert change(client, {"settings": {name: value}})["settings"] == settings


def test_a_queue_is_forgotten_when_it_has_no_jobs(client: Client, shared_url: str) -> None:
    def forget() -> Any:
        return client.flask.delete("/queues/q", headers=client.authorization)

    change(client, {"settings": {"removeOnFail": 5}})
    client.add(JOB)
    assert answers.problem(forget(), 409)["code"] == "queue_not_empty"
    assert queue(client)["settings"] == {"removeOnFail": {"count": 5}}
    databases.run(
        shared_url, "delete from rowline.jobs; insert into rowline.job_deltas (queue, waiting) values ('q', -1)"
    )
    assert answers.ok(forget())["settings"] == {}
    assert answers.ok(forget()) | {"rates": {}} == {
        "name": "q",
        "counts": EMPTY,
        "paused": False,
        "settings": {},
        "rates": {},
        "workers": 0,
    }


def test_the_service_has_settings_for_queues_without_their_own(client: Client, db: Database) -> None:
    before = answers.ok(client.get("/settings"))
    assert change(client, {"removeOnComplete": {"age": 9}, "removeOnFail": None}, "/settings") == {
        "removeOnComplete": {"age": 9}
    }
    assert answers.ok(client.get("/settings")) == {"removeOnComplete": {"age": 9}}
    [act] = answers.ok(client.get("/audit"))["entries"]
    assert (act["action"], act["before"], act["after"]) == (
        "settings.change",
        before,
        {"removeOnComplete": {"age": 9}},
    )
    one = Client(client.flask, token=issue(db, "queues:manage@q*").secret)
    answer = one.flask.patch("/settings", data="{}", headers=one.authorization)
    assert answers.error(answer, 403) == "the token lacks the scope queues:manage"


def test_a_change_is_in_the_audit_with_what_it_was(client: Client) -> None:
    change(client, {"settings": {"removeOnFail": 5}})
    change(client, {"settings": {"removeOnFail": None}})
    answers.ok(client.flask.delete("/queues/q", headers=client.authorization))
    entries = answers.ok(client.get("/audit"))["entries"]
    five = {"removeOnFail": {"count": 5}}
    assert [(one["action"], one["queue"], one["affected"], one["before"], one.get("after")) for one in entries] == [
        ("queues.forget", "q", 0, {}, None),
        ("queues.change", "q", 1, five, {}),
        ("queues.change", "q", 1, {}, five),
    ]
