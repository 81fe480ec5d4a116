"""Working jobs over HTTP: claims, ends, heartbeats."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain.job import Lease
from app.operations import maintenance
from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client
from tests.support.scan_cursors import slow_to_look

NOBODYS = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"
PATH = "/queues/q/jobs"


def _post(client: Client, path: str, body: object) -> TestResponse:
    return client.post(f"{PATH}/{path}", body if isinstance(body, str) else json.dumps(body))


def _tell(client: Client, path: str, body: object) -> dict[str, Any]:
    answer = _post(client, path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def _claim(client: Client, **asked: object) -> list[dict[str, Any]]:
    return list(_tell(client, "claim", asked)["jobs"])


def _claim_one(client: Client, **opts: object) -> tuple[str, str]:
    """Add a job and claim it; return its id and its token."""
    client.add({"name": "n", "data": 1, "opts": opts})
    [lease] = _claim(client)
    return lease["job"]["id"], lease["token"]


def test_a_claim_gives_the_next_jobs_with_their_tokens(client: Client) -> None:
    added = client.add(*({"name": "n", "data": n} for n in range(3)), {"name": "n", "data": 9, "opts": {"lifo": True}})

    leases = _claim(client, count=3, worker="crane-7", lockDuration=60_000)

    assert [lease["job"]["id"] for lease in leases] == [added[3]["id"], added[0]["id"], added[1]["id"]]
    for lease in leases:
        assert lease["job"]["status"] == "active"
        assert lease["job"]["processedBy"] == "crane-7"
        assert lease["lockedUntil"] == pytest.approx(lease["job"]["processedOn"] + 60_000, abs=1)
    assert len({lease["token"] for lease in leases}) == 3
    assert [lease["job"]["id"] for lease in _claim(client, count=5)] == [added[2]["id"]]
    assert _claim(client) == []


@pytest.mark.parametrize("body", ["", " ", "{}", '{"count":null,"wait":null,"lockDuration":null,"worker":null}'])
def test_a_claim_that_asks_for_nothing_takes_one(client: Client, body: str) -> None:
    client.add(*[{"name": "n", "data": 1}] * 2)

    [lease] = list(_tell(client, "claim", body)["jobs"])

    assert lease["job"]["processedBy"] == client.address


def test_an_attempt_that_is_completed_keeps_its_result_to_the_letter(client: Client) -> None:
    job_id, token = _claim_one(client)

    body = f'{{"token":"{token}","returnvalue": {{"b":1.50, "a":1e400}} }}'
    assert _tell(client, f"{job_id}/complete", body) == {"id": job_id, "status": "completed"}

    assert client.job(job_id)["returnvalue"] == '{"b":1.50, "a":1e400}'


def test_a_job_without_a_returnvalue_has_null(client: Client) -> None:
    job_id, token = _claim_one(client)
    _tell(client, f"{job_id}/complete", {"token": token})
    assert client.job(job_id)["returnvalue"] == "null"


def test_a_failure_is_tried_again_while_attempts_are_left(client: Client) -> None:
    job_id, token = _claim_one(client, attempts=3, backoff=60_000)
    told = _tell(client, f"{job_id}/fail", {"token": token, "failedReason": "no", "stacktrace": ["a", "b"]})

    job = client.job(job_id)

    assert told == {"id": job_id, "status": "delayed"}
    assert (job["failedReason"], job["stacktrace"], job["delay"]) == ("no", ["a\nb"], 60_000)
    assert (job["attemptsMade"], job["status"]) == (1, "delayed")


@pytest.mark.parametrize(("opts", "failure"), [({}, {}), ({"attempts": 3}, {"unrecoverable": True})])
def test_a_last_or_an_unrecoverable_failure_is_the_end(
    client: Client, opts: dict[str, Any], failure: dict[str, Any]
) -> None:
    job_id, token = _claim_one(client, **opts)
    assert _tell(client, f"{job_id}/fail", {"token": token} | failure)["status"] == "failed"
    assert client.job(job_id)["failedReason"] == "unknown failure"


@pytest.mark.parametrize(
    ("reason", "stored"),
    [
        ("x" * 1_000_000, "x" * 10_000),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud800", "?"),
        ("\x1b[31m<b>", "\x1b[31m<b>"),
        ("", "unknown failure"),
    ],
)
def test_no_reason_keeps_a_failure_from_being_told(client: Client, reason: str, stored: str) -> None:
    job_id, token = _claim_one(client)

    _tell(client, f"{job_id}/fail", {"token": token, "failedReason": reason, "stacktrace": reason})

    assert client.job(job_id)["failedReason"] == stored


def test_a_released_job_is_back_in_its_place_or_waits(client: Client) -> None:
    job_id, token = _claim_one(client)
    client.add({"name": "later", "data": 1})
    assert _tell(client, f"{job_id}/release", {"token": token}) == {"id": job_id, "status": "waiting"}

    [again] = _claim(client)
    assert again["job"]["id"] == job_id
    assert _tell(client, f"{job_id}/release", {"token": again["token"], "delay": 60_000})["status"] == "delayed"
    assert client.job(job_id)["attemptsMade"] == 0


def test_a_heartbeat_renews_the_lease(client: Client) -> None:
    job_id, token = _claim_one(client)

    held = _tell(client, f"{job_id}/extend", {"token": token, "lockDuration": 3_600_000})

    assert held["id"] == job_id
    assert held["cancelled"] is False
    assert held["lockedUntil"] >= client.job(job_id)["processedOn"] + 3_600_000


def test_a_heartbeat_does_not_go_past_the_timeout_of_the_job(client: Client) -> None:
    job_id, token = _claim_one(client, timeout=60_000)

    held = _tell(client, f"{job_id}/extend", {"token": token, "lockDuration": 3_600_000})

    assert held["lockedUntil"] <= client.job(job_id)["processedOn"] + 61_000


VERBS: dict[str, dict[str, object]] = {
    "complete": {"returnvalue": 1},
    "fail": {"failedReason": "r"},
    "release": {},
    "extend": {},
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("token", [NOBODYS, "x", "", NOBODYS.replace("-", ""), "0" * 255])
def test_who_does_not_hold_the_lease_changes_nothing(client: Client, verb: str, token: str) -> None:
    job_id, _token = _claim_one(client)
    before = client.job(job_id)

    said = answers.problem(_post(client, f"{job_id}/{verb}", {"token": token} | VERBS[verb]), 409)

    assert said["code"] == "lease_lost"
    assert client.job(job_id) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("job_id", ["999999999", "nobody", "9" * 30])
def test_a_job_that_is_not_there_is_404(client: Client, verb: str, job_id: str) -> None:
    answers.error(_post(client, f"{job_id}/{verb}", {"token": NOBODYS}), 404)


@pytest.mark.parametrize("verb", VERBS)
def test_a_token_is_for_its_own_job_and_queue(client: Client, verb: str) -> None:
    first, token = _claim_one(client)
    other, _token = _claim_one(client)
    assert _post(client, f"{other}/{verb}", {"token": token}).status_code == 409
    assert client.post(f"/queues/another/jobs/{first}/{verb}", json.dumps({"token": token})).status_code == 404
    assert client.job(other)["status"] == "active"


def test_a_lost_answer_to_complete_can_be_asked_for_again(client: Client) -> None:
    job_id, token = _claim_one(client, jobId="mine")
    told = {"token": token, "returnvalue": {"a": 1}}
    first = _tell(client, f"{job_id}/complete", told)
    before = client.job(job_id)

    assert _tell(client, f"{job_id}/complete", told) == first
    assert _post(client, f"{job_id}/complete", {"token": token, "returnvalue": 2}).status_code == 409
    assert _post(client, f"{job_id}/fail", {"token": token}).status_code == 409
    assert _post(client, f"{job_id}/release", {"token": token}).status_code == 409
    assert client.job(job_id) == before


@pytest.mark.parametrize("opts", [{}, {"attempts": 5, "backoff": 1_000}])
def test_a_lost_answer_to_fail_can_be_asked_for_again(client: Client, opts: dict[str, Any]) -> None:
    job_id, token = _claim_one(client, **opts)
    told = {"token": token, "failedReason": "r"}
    first = _tell(client, f"{job_id}/fail", told)
    before = client.job(job_id)

    assert _tell(client, f"{job_id}/fail", told) == first
    assert _post(client, f"{job_id}/complete", {"token": token}).status_code == 409
    assert client.job(job_id) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_lease_that_has_run_out_is_lost_though_nobody_has_noticed_yet(
    client: Client, db: Database, verb: str, attempts: int
) -> None:
    client.add({"name": "n", "data": 1, "opts": {"attempts": attempts}})
    [lease] = work.take(db, lease_ms=0)
    before = client.job(lease.job.id)

    said = answers.problem(_post(client, f"{lease.job.id}/{verb}", {"token": lease.token} | VERBS[verb]), 409)

    assert said["code"] == "lease_lost"
    if verb in {"complete", "fail"}:
        told = {"jobs": [{"id": lease.job.id, "token": lease.token} | VERBS[verb]]}
        assert _tell(client, "finish", told)["finished"] == [{"id": lease.job.id, "status": "lost"}]
    held = {"Authorization": f"Bearer {lease.token}"}
    for report, body in (("progress", "5"), ("logs", '"line"')):
        assert client.flask.post(f"{PATH}/{lease.job.id}/{report}", data=body, headers=held).status_code == 401
    assert client.job(lease.job.id) == before


@pytest.mark.parametrize("end", [work.stall_next, work.fail_next, work.release_next])
@pytest.mark.parametrize("verb", VERBS)
def test_each_claim_has_a_token_of_its_own_and_those_before_are_worth_nothing(
    client: Client, db: Database, verb: str, end: Callable[[Database], Lease]
) -> None:
    client.add({"name": "n", "data": 1, "opts": {"attempts": 5}})
    first = end(db)
    [lease] = _claim(client)
    assert lease["token"] != first.token
    before = client.job(first.job.id)

    answers.problem(_post(client, f"{first.job.id}/{verb}", {"token": first.token} | VERBS[verb]), 409)

    assert client.job(first.job.id) == before


def test_a_worker_that_lost_its_lease_cannot_overwrite_what_the_next_did(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1})
    [stale] = work.take(db, lease_ms=0)
    maintenance.recover_stalled(db, max_stalled_count=1)
    [lease] = _claim(client)
    _tell(client, f"{stale.job.id}/complete", {"token": lease["token"], "returnvalue": "second"})

    assert _post(client, f"{stale.job.id}/complete", {"token": stale.token, "returnvalue": "first"}).status_code == 409
    assert client.job(stale.job.id)["returnvalue"] == "second"


def test_many_ends_and_the_next_claim_are_one_call(client: Client) -> None:
    client.add(*({"name": "n", "data": n, "opts": {"jobId": f"job-{n}"}} for n in range(5)))
    one, two, three = _claim(client, count=3)
    told = {
        "jobs": [
            {"id": "job-1", "token": two["token"], "failedReason": "no", "unrecoverable": True},
            {"id": "job-0", "token": one["token"], "returnvalue": [1]},
            {"id": "job-2", "token": NOBODYS},
            {"id": "job-9", "token": three["token"]},
        ],
        "claim": {"count": 5, "worker": "w"},
    }

    answer = _tell(client, "finish", told)

    assert answer["finished"] == [
        {"id": "job-1", "status": "failed"},
        {"id": "job-0", "status": "completed"},
        {"id": "job-2", "status": "lost"},
        {"id": "job-9", "status": "lost"},
    ]
    assert [lease["job"]["id"] for lease in answer["jobs"]] == ["job-3", "job-4"]
    assert client.job("job-2")["status"] == "active"


def test_a_finish_that_is_repeated_says_the_same(client: Client) -> None:
    client.add(*[{"name": "n", "data": 0}] * 2)
    one, two = _claim(client, count=2)
    told = {
        "jobs": [
            {"id": one["job"]["id"], "token": one["token"], "returnvalue": 1},
            {"id": two["job"]["id"], "token": two["token"], "failedReason": "no"},
        ]
    }
    assert _tell(client, "finish", told) == _tell(client, "finish", told)


COMPLETE, FAIL, RELEASE, EXTEND = (f"1/{verb}" for verb in VERBS)


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("claim", {"count": 0}, "count must be between 1 and 1000"),
        ("claim", {"count": 1_001}, "count must be between 1 and 1000"),
        ("claim", {"count": True}, "count must be an integer"),
        ("claim", {"wait": -1}, "wait must be between 0 and 9007199254740992"),
        ("claim", {"lockDuration": 499}, "lockDuration must be between 500 and 86400000"),
        ("claim", {"lockDuration": 86_400_001}, "lockDuration must be between 500 and 86400000"),
        ("claim", {"worker": ""}, "worker must not be empty"),
        ("claim", {"worker": "w" * 256}, "worker must be at most 255 characters, not 256"),
        ("claim", {"worker": 5}, "worker must be a string"),
        ("claim", {"worker": "push:crane:1"}, "worker must not begin with 'push:', as the names of dispatchers do"),
        ("claim", {"queue": "q"}, "queue is not known here"),
        ("claim", [], "body must be an object"),
        ("claim", "{", "body is not JSON: expected '\"' at character 1"),
        ("claim", '{"count":1,"count":2}', "count is there twice"),
        *((path, {}, "token is required") for path in (COMPLETE, FAIL, RELEASE, EXTEND)),
        *((path, {"token": None}, "token must be a string") for path in (COMPLETE, FAIL, RELEASE, EXTEND)),
        *((path, {"token": 5}, "token must be a string") for path in (COMPLETE, FAIL, RELEASE, EXTEND)),
        *((path, {"token": NOBODYS, "x": 1}, "x is not known here") for path in (COMPLETE, FAIL, RELEASE, EXTEND)),
        (COMPLETE, f'{{"token":"{NOBODYS}","returnvalue":NaN}}', "returnvalue must not contain NaN"),
        (COMPLETE, f'{{"token":"{NOBODYS}","returnvalue":"\\u0000"}}', "returnvalue must not contain \\u0000"),
        (FAIL, {"token": NOBODYS, "failedReason": 5}, "failedReason must be a string"),
        (FAIL, {"token": NOBODYS, "stacktrace": [5]}, "stacktrace must be a string or an array of strings"),
        (FAIL, {"token": NOBODYS, "unrecoverable": 1}, "unrecoverable must be true or false"),
        (RELEASE, {"token": NOBODYS, "delay": -1}, "delay must be between 0 and 316224000000"),
        (EXTEND, {"token": NOBODYS, "lockDuration": 1}, "lockDuration must be between 500 and 86400000"),
        ("finish", {}, "jobs is required"),
        ("finish", {"jobs": {}}, "jobs must be a JSON array"),
        ("finish", {"jobs": [{"id": "1"}]}, "jobs[0].token is required"),
        ("finish", {"jobs": [{"token": NOBODYS}]}, "jobs[0].id is required"),
        ("finish", {"jobs": [{"id": 1, "token": NOBODYS}]}, "jobs[0].id must be a string"),
        ("finish", {"jobs": [{"id": "1", "token": NOBODYS}] * 2}, "jobs[1].id is there twice"),
        ("finish", {"jobs": [], "claim": {"wait": 5}}, "claim.wait is not known here"),
        (
            "finish",
            {"jobs": [], "claim": {"worker": "push:"}},
            "claim.worker must not begin with 'push:', as the names of dispatchers do",
        ),
        ("finish", {"jobs": [], "claim": 5}, "claim must be an object"),
        ("finish", '{"jobs":[],"claim":{"count":1,"count":2}}', "claim.count is there twice"),
    ],
)
def test_a_bad_request_is_named(client: Client, path: str, body: object, error: str) -> None:
    assert answers.error(_post(client, path, body), 400) == error


def test_a_result_has_a_largest_size(small_client: Client) -> None:
    job_id, token = _claim_one(small_client)
    good, bad = "x" * 98, "x" * 99
    assert _post(small_client, f"{job_id}/complete", {"token": token, "returnvalue": bad}).status_code == 413
    many = {"jobs": [{"id": job_id, "token": token, "returnvalue": bad}]}
    assert answers.error(_post(small_client, "finish", many), 413).startswith("jobs[0].returnvalue must be at most 100")
    assert _tell(small_client, f"{job_id}/complete", {"token": token, "returnvalue": good})["status"] == "completed"


@pytest.mark.parametrize("path", ["claim", "finish"])
def test_while_looking_from_the_head_is_slow_claims_go_on_from_where_they_were(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """As under a snapshot that is held: who joins before the others waits a moment, and is not left behind."""
    slow_to_look(monkeypatch)
    nobody = {"id": "999999", "token": NOBODYS}

    def names(count: int) -> list[str]:
        asked = {"count": count} if path == "claim" else {"jobs": [nobody], "claim": {"count": count}}
        return [lease["job"]["name"] for lease in _tell(client, path, asked)["jobs"]]

    client.add(*({"name": name, "data": 1} for name in ("first", "second", "third")))
    assert names(1) == ["first"]
    client.add({"name": "ahead", "data": 1, "opts": {"lifo": True}})
    assert names(1) == ["second"]
    assert names(5) == ["third", "ahead"]
