"""Drain, clean and obliterate, as a client sees them."""

import json
from typing import Any
from unittest.mock import ANY

import pytest

from app.domain.retention import Keep
from app.operations import plans, settings
from app.operations import removal as operations
from app.postgres.database import Database
from tests.support import answers, databases
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.plans import run
from tests.web.test_queues import EMPTY, JOB, claimed, queue

AS_NEW = {"name": "q", "counts": EMPTY, "paused": False, "settings": {}, "rates": ANY, "workers": ANY}

HOUR_MS = 3_600_000
DELAYED = JOB | {"opts": {"delay": HOUR_MS}}


def post(client: Client, verb: str, body: Any = None) -> Any:
    return answers.ok(client.post(f"/queues/q/{verb}", "" if body is None else json.dumps(body)))


def removed(client: Client, verb: str, body: Any = None) -> int:
    """Remove jobs; return how many, when all are removed."""
    plan = post(client, verb, body)
    assert plan["status"] == "applied", plan
    return int(plan["done"])


def filled(client: Client) -> dict[str, Any]:
    """Add a job in each status; return the lease of the active one."""
    client.add(JOB, JOB, JOB)
    done, bad, running = claimed(client, count=3)
    end(client, done, "complete")
    end(client, bad, "fail", failedReason="r")
    client.add(JOB, JOB, JOB | {"opts": {"priority": 3}}, DELAYED)
    client.add(JOB, queue="other")
    return running


def end(client: Client, lease: dict[str, Any], verb: str, **more: Any) -> Any:
    path = f"/queues/q/jobs/{lease['job']['id']}/{verb}"
    return client.post(path, json.dumps({"token": lease["token"]} | more))


def acts(client: Client) -> list[tuple[str, int, Any, Any]]:
    entries = answers.ok(client.get("/audit?queue=q"))["entries"]
    return [(one["action"], one["affected"], one.get("before"), one.get("after")) for one in reversed(entries)]


def left(url: str, table: str, of: str = "q") -> int:
    [(number,)] = databases.ask(url, f"select count(*) from rowline.{table} where queue = '{of}'")
    return int(number)


def age(url: str, minutes: int) -> None:
    """Have everything happened so long before."""
    databases.run(
        url,
        f"update rowline.jobs set added_at = added_at - interval '{minutes} minutes', "
        f"finished_at = finished_at - interval '{minutes} minutes'",
    )


def test_a_drain_removes_what_waits_and_nothing_else(client: Client) -> None:
    filled(client)
    assert removed(client, "drain") == 3
    assert queue(client)["counts"] == EMPTY | {"delayed": 1, "active": 1, "completed": 1, "failed": 1}
    assert queue(client, "other")["counts"]["waiting"] == 1
    assert removed(client, "drain", {"delayed": None}) == 0
    assert claimed(client) == []


def test_a_drain_removes_delayed_jobs_if_it_is_asked_to(client: Client) -> None:
    filled(client)
    assert removed(client, "drain", {"delayed": True}) == 4
    assert queue(client)["counts"] == EMPTY | {"active": 1, "completed": 1, "failed": 1}


def test_an_active_job_goes_on_after_a_drain(client: Client) -> None:
    running = filled(client)
    post(client, "drain", {"delayed": True})
    assert answers.ok(end(client, running, "complete"))["status"] == "completed"


@pytest.mark.parametrize(
    ("status", "number"), [("completed", 1), ("failed", 1), ("waiting", 2), ("prioritized", 1), ("delayed", 1)]
)
def test_a_clean_removes_the_jobs_of_one_status(client: Client, status: str, number: int) -> None:
    filled(client)
    before = queue(client)["counts"]
    assert removed(client, "clean", {"status": status, "grace": 0}) == number
    assert queue(client)["counts"] == before | {status: 0}
    assert queue(client, "other")["counts"]["waiting"] == 1


@pytest.mark.parametrize("status", ["completed", "failed", "waiting", "prioritized", "delayed"])
def test_a_clean_spares_what_ended_or_was_added_less_than_its_grace_ago(
    client: Client, shared_url: str, status: str
) -> None:
    filled(client)
    age(shared_url, 10)
    number = queue(client)["counts"][status]
    assert removed(client, "clean", {"status": status, "grace": 660_000}) == 0
    assert removed(client, "clean", {"status": status, "grace": 540_000.0}) == number


def test_a_job_ended_when_it_ended_and_not_when_it_was_added(client: Client, shared_url: str) -> None:
    client.add(JOB)
    age(shared_url, 10)
    end(client, claimed(client)[0], "complete")
    assert removed(client, "clean", {"status": "completed", "grace": 60_000}) == 0


def test_a_clean_removes_so_many_at_most_the_first_added(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "AT_ONCE", 2)
    ids = [job["id"] for job in client.add(*[JOB] * 7)]
    assert removed(client, "clean", {"status": "waiting", "grace": 0, "limit": 5}) == 5
    assert [job["id"] for job in client.page(order="asc")["jobs"]] == ids[5:]
    assert removed(client, "clean", {"status": "waiting", "grace": 0, "limit": 0}) == 2


def test_an_obliterated_queue_has_nothing_any_more_and_is_as_new(client: Client, db: Database, shared_url: str) -> None:
    filled(client)
    [running] = claimed(client, "other")
    databases.run(
        shared_url, "insert into rowline.logs (queue, number, line) select queue, number, 'l' from rowline.jobs"
    )
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_fail": Keep(count=5)})
    databases.run(shared_url, "truncate rowline.audit")
    assert removed(client, "obliterate", {"force": True}) == 7

    assert queue(client) == AS_NEW
    assert [left(shared_url, table) for table in ("jobs", "attempts", "logs", "queue_settings")] == [0] * 4
    assert [left(shared_url, table, "other") for table in ("jobs", "logs")] == [1, 1]
    assert acts(client) == [
        ("queues.pause", 1, None, {"pausedBy": "env:1", "pauseReason": "obliterate"}),
        ("queues.obliterate", 0, None, {"force": True}),
        ("queues.forget", 1, {"removeOnFail": {"count": 5}}, None),
        ("plans.applied", 7, None, None),
    ]
    client.add(JOB)
    assert len(claimed(client)) == 1
    assert running["job"]["name"] == "n"


def test_the_endpoint_of_an_obliterated_queue_stays(client: Client) -> None:
    endpoint = {"url": "https://example.com/", "method": "POST"}
    assert client.post("/workers", json.dumps({"queue": "q", "endpoint": endpoint})).status_code == 200
    client.add(JOB)
    assert removed(client, "obliterate") == 1
    assert answers.ok(client.get("/workers")) == {"q": "https://example.com/"}


def test_an_obliterate_is_refused_while_jobs_are_active_and_leaves_the_queue_paused(client: Client) -> None:
    running = filled(client)
    before = queue(client)["counts"]
    said = answers.problem(client.post("/queues/q/obliterate", ""), 409)
    assert said["code"] == "queue_has_active_jobs"
    assert said["error"] == (
        "queue 'q' has active jobs: 1. It is paused now; repeat this when they have ended, or force it, which removes "
        "them too"
    )
    assert (queue(client)["counts"], queue(client)["paused"], claimed(client)) == (before, True, [])
    end(client, running, "complete")
    assert removed(client, "obliterate", {"force": False}) == 7
    assert not queue(client)["paused"]


def test_a_job_that_was_claimed_unseen_keeps_its_queue_from_being_forgotten(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = filled(client)
    with monkeypatch.context() as patch:  # as if its claim had been committed later than the pause could wait
        patch.setattr(operations, "_require_no_active", lambda _db, _queue: None)
        first = post(client, "obliterate")
    assert (first["done"], first["status"]) == (6, "failed")
    assert first["reason"] == "jobs became active meanwhile: obliterate the queue again when they have ended"
    assert queue(client)["paused"]
    assert answers.problem(client.post("/queues/q/obliterate", ""), 409)["code"] == "queue_has_active_jobs"
    end(client, running, "complete")
    assert removed(client, "obliterate") == 1
    assert queue(client) == AS_NEW


def test_the_worker_of_a_job_that_was_obliterated_hears_that_it_is_gone(client: Client) -> None:
    running = filled(client)
    post(client, "obliterate", {"force": True})
    assert answers.problem(end(client, running, "complete"), 404)["code"] == "job_not_found"
    assert answers.problem(end(client, running, "extend"), 404)["code"] == "job_not_found"
    ending = {"id": running["job"]["id"], "token": running["token"]}
    [told] = answers.ok(client.post("/queues/q/jobs/finish", json.dumps({"jobs": [ending]})))["finished"]
    assert told == {"id": ending["id"], "status": "lost"}
    assert queue(client)["counts"] == EMPTY


def test_an_obliterate_is_refused_while_an_older_program_is_connected(client: Client, shared_url: str) -> None:
    client.add(JOB)
    with databases.connected(shared_url, "rowline-worker 0016"):
        assert answers.problem(client.post("/queues/q/obliterate", ""), 409)["code"] == "older_nodes_run"
    assert queue(client)["counts"]["waiting"] == 1


def test_the_id_of_a_removed_job_is_free_and_its_attempts_and_log_stay_while_it_can_come_back(
    client: Client, db: Database, shared_url: str
) -> None:
    mine = JOB | {"opts": {"jobId": "mine", "attempts": 2, "backoff": 0}}
    client.add(mine)
    [lease] = claimed(client)
    logged = {"Authorization": f"Bearer {lease['token']}"}
    assert client.flask.post("/queues/q/jobs/mine/logs", data='"l"', headers=logged).status_code == 200
    end(client, lease, "fail", failedReason="r")
    assert [left(shared_url, table) for table in ("jobs", "attempts", "logs")] == [1, 1, 1]
    assert removed(client, "drain") == 1
    assert [left(shared_url, table) for table in ("jobs", "attempts", "logs")] == [0, 1, 1]
    assert answers.problem(client.get("/queues/q/jobs/mine"), 404)["code"] == "job_not_found"
    assert client.add(mine)[0]["outcome"] == "created"
    databases.run(shared_url, "update rowline.plans set ended_at = ended_at - interval '25 hours'")
    plans.forget(db)
    assert [left(shared_url, table) for table in ("jobs", "attempts", "logs")] == [1, 0, 0]


@pytest.mark.parametrize(("verb", "body"), [("drain", {"delayed": True}), ("clean", {"status": "failed", "grace": 0})])
def test_a_drain_and_a_clean_are_undone(client: Client, db: Database, verb: str, body: Any) -> None:
    filled(client)
    before = queue(client)["counts"]
    plan = post(client, verb, body)
    answers.ok(client.post(f"/queues/q/plans/{plan['id']}/undo", ""))
    run(db)
    assert queue(client)["counts"] == before


def test_there_is_no_undo_of_an_obliterate(client: Client) -> None:
    filled(client)
    plan = post(client, "obliterate", {"force": True})
    said = answers.error(client.post(f"/queues/q/plans/{plan['id']}/undo", ""), 409)
    assert said == "only removals and retries can be undone, not obliterate"


def test_a_stored_answer_outlives_the_jobs_that_a_drain_removed(client: Client) -> None:
    headers = client.authorization | {"Idempotency-Key": "k"}
    first = client.flask.post("/queues/q/jobs", data=json.dumps([JOB]), headers=headers)
    post(client, "drain")
    again = client.flask.post("/queues/q/jobs", data=json.dumps([JOB]), headers=headers)
    assert (again.json, again.headers["Idempotency-Replayed"]) == (first.json, "true")
    assert queue(client)["counts"] == EMPTY


def test_a_drain_and_a_clean_are_in_the_audit_with_what_they_removed(client: Client) -> None:
    filled(client)
    post(client, "drain")
    post(client, "drain")
    post(client, "clean", {"status": "failed", "grace": 0, "limit": 7})
    assert acts(client) == [
        ("queues.drain", 0, None, {"delayed": False}),
        ("plans.applied", 3, None, None),
        ("queues.drain", 0, None, {"delayed": False}),
        ("plans.applied", 0, None, None),
        ("queues.clean", 0, None, {"status": "failed", "grace": 0, "limit": 7}),
        ("plans.applied", 1, None, None),
    ]


@pytest.mark.parametrize(
    ("verb", "body", "error"),
    [
        ("drain", "[]", "body must be an object"),
        ("drain", "{", "body is not JSON"),
        ("drain", '{"delayed":1}', "delayed must be true or false"),
        ("drain", '{"all":true}', "all is not known here"),
        ("drain", '{"cursor":"x"}', "cursor is not known here"),
        ("clean", "", "status is required"),
        ("clean", '{"status":"failed"}', "grace is required"),
        ("clean", '{"grace":0}', "status is required"),
        ("clean", '{"grace":0,"status":null}', "status must not be null"),
        ("clean", '{"grace":0,"status":5}', "status must be a string"),
        (
            "clean",
            '{"grace":0,"status":"active"}',
            "status must be one of completed, failed, waiting, prioritized, delayed",
        ),
        ("clean", '{"grace":-1,"status":"failed"}', "grace must be between 0 and 316224000000"),
        ("clean", '{"grace":"1","status":"failed"}', "grace must be an integer"),
        ("clean", '{"grace":null,"status":"failed"}', "grace must not be null"),
        ("clean", '{"grace":0,"status":"failed","limit":-1}', "limit must be between 0 and 2147483647"),
        ("clean", '{"grace":0,"status":"failed","since":1}', "since is not known here"),
        ("obliterate", '{"force":"yes"}', "force must be true or false"),
        ("obliterate", '{"yes":true}', "yes is not known here"),
    ],
)
def test_a_faulty_removal_is_refused_and_removes_nothing(client: Client, verb: str, body: str, error: str) -> None:
    client.add(JOB)
    assert answers.error(client.post(f"/queues/q/{verb}", body), 400).startswith(error)
    assert (queue(client)["counts"]["waiting"], queue(client)["paused"]) == (1, False)
    assert acts(client) == []
