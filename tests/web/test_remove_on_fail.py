"""Jobs with `removeOnFail: true` are gone once they have failed, and what was said of them is remembered."""

import json
from typing import Any

import pytest

from app.postgres.database import Database
from tests.support import answers, databases, plans, work
from tests.support.client import Client

JOBS = "/queues/q/jobs"


def add(client: Client, **opts: Any) -> str:
    [added] = client.add({"name": "n", "data": 1, "opts": {"removeOnFail": True} | opts})
    return str(added["id"])


def claimed(client: Client) -> dict[str, Any]:
    [lease] = answers.ok(client.post(f"{JOBS}/claim", "{}"))["jobs"]
    return dict(lease)


def say(client: Client, verb: str, lease: dict[str, Any], **more: Any) -> Any:
    return client.post(f"{JOBS}/{lease['job']['id']}/{verb}", json.dumps({"token": lease["token"]} | more))


def fail(client: Client, lease: dict[str, Any]) -> Any:
    return say(client, "fail", lease, failedReason="r")


@pytest.mark.parametrize("own_id", ["mine", None])
def test_it_is_gone_when_it_has_failed_and_who_repeats_that_hears_the_same(client: Client, own_id: str | None) -> None:
    job_id = add(client, attempts=2, **({"jobId": own_id} if own_id else {}))
    assert answers.ok(fail(client, claimed(client)))["status"] == "waiting"
    lease = claimed(client)
    said = answers.ok(fail(client, lease))
    assert said == {"id": job_id, "status": "failed"}
    assert answers.problem(client.get(f"{JOBS}/{job_id}"), 404)["code"] == "job_not_found"
    assert client.page()["counts"] == dict.fromkeys(client.page()["counts"], 0)
    assert answers.ok(fail(client, lease)) == said
    for verb in ("complete", "release"):
        assert answers.problem(say(client, verb, lease), 404)["code"] == "job_not_found"
    other = lease | {"token": "00000000-0000-4000-8000-000000000000"}
    assert answers.problem(fail(client, other), 404)["code"] == "job_not_found"


def test_its_id_is_free_again_and_the_word_of_the_one_before_is_not_that_of_the_next(client: Client) -> None:
    add(client, jobId="mine")
    first = claimed(client)
    answers.ok(fail(client, first))
    add(client, jobId="mine")
    second = claimed(client)
    assert answers.ok(fail(client, first))["status"] == "failed"
    assert client.job("mine")["status"] == "active"
    assert answers.ok(say(client, "complete", second))["status"] == "completed"


def test_some_of_many_that_finish_together_go_and_the_same_request_again_says_the_same(client: Client) -> None:
    ids = [add(client), add(client, jobId="mine"), add(client, removeOnFail=False)]
    told = [
        {"id": job_id, "token": lease["token"], "failedReason": "r"}
        for job_id, lease in zip(ids, [claimed(client) for _ in ids], strict=True)
    ]
    for _ in range(2):
        found = answers.ok(client.post(f"{JOBS}/finish", json.dumps({"jobs": told})))
        assert [one["status"] for one in found["finished"]] == ["failed"] * 3
    assert client.page()["counts"]["failed"] == 1


def test_a_cancel_shows_it_as_it_failed_and_is_in_the_audit(client: Client, shared_url: str) -> None:
    job_id = add(client)
    shown = answers.ok(client.post(f"{JOBS}/{job_id}/cancel", ""))
    assert (shown["status"], shown["failedReason"]) == ("failed", "job cancelled")
    assert answers.problem(client.post(f"{JOBS}/{job_id}/cancel", ""), 404)["code"] == "job_not_found"
    noted = "select target, after ->> 'status' from rowline.audit where action = 'jobs.cancel'"
    assert databases.ask(shared_url, noted) == [(job_id, "failed")]


def test_who_releases_a_job_that_was_cancelled_hears_twice_that_it_failed(client: Client) -> None:
    job_id = add(client)
    lease = claimed(client)
    answers.ok(client.post(f"{JOBS}/{job_id}/cancel", ""))
    for _ in range(2):
        assert answers.ok(say(client, "release", lease))["status"] == "failed"


def test_one_that_was_claimed_before_and_is_cancelled_while_it_waits_goes(client: Client, db: Database) -> None:
    job_id = add(client, attempts=2)
    work.fail_next(db)
    answers.ok(client.post(f"{JOBS}/{job_id}/cancel", ""))
    assert client.get(f"{JOBS}/{job_id}").status_code == 404


def test_what_a_plan_cancels_goes_if_it_is_not_to_be_kept(client: Client, db: Database) -> None:
    active, kept = add(client), add(client, removeOnFail=False)
    lease = claimed(client)
    add(client)
    add(client, delay=60_000)
    made = answers.ok(client.post("/queues/q/plans", json.dumps({"action": "cancel", "filter": {"since": 0}})))
    answers.ok(client.post(f"/queues/q/plans/{made['id']}/apply", json.dumps({"matched": made["matched"]})))
    plans.run(db)
    assert answers.ok(client.get(f"/queues/q/plans/{made['id']}"))["done"] == 4
    assert {job["id"]: job["status"] for job in client.page()["jobs"]} == {active: "active", kept: "failed"}
    assert answers.ok(say(client, "release", lease))["status"] == "failed"
    assert [job["id"] for job in client.page()["jobs"]] == [kept]
