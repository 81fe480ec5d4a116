"""GET /queues/:queue/jobs/:id, and JobJson as every route shows it."""

import dataclasses
import json
import time
from typing import Any

import pytest
from hypothesis import given

from app.domain.job import Failure, Release
from app.infra.settings import Settings
from app.operations import maintenance, settle
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, json_texts, work
from tests.support.client import Client

ALWAYS = {
    *(
        "id",
        "name",
        "data",
        "opts",
        "progress",
        "attemptsMade",
        "attemptsStarted",
        "stalledCounter",
        "delay",
        "priority",
        "timestamp",
        "status",
    ),
    *("stacktrace", "queueQualifiedName"),
}


def _add(client: Client, **opts: Any) -> str:
    return str(client.add({"name": "n", "data": {"x": 1}, "opts": opts})[0]["id"])


def test_a_new_job_has_the_members_that_every_job_has(client: Client) -> None:
    job = client.job(_add(client))

    added_at = job.pop("timestamp")
    assert abs(added_at - time.time() * 1000) < 60_000
    assert job == {
        "id": job["id"],
        "name": "n",
        "data": {"x": 1},
        "opts": {},
        "progress": 0,
        "attemptsMade": 0,
        "attemptsStarted": 0,
        "stalledCounter": 0,
        "delay": 0,
        "priority": 0,
        "status": "waiting",
        "stacktrace": [],
        "queueQualifiedName": "bull:q",
    }


def test_delay_and_priority_are_those_of_the_opts_at_first(client: Client) -> None:
    job = client.job(_add(client, delay=5000, priority=7))

    assert (job["delay"], job["priority"], job["status"]) == (5000, 7, "delayed")


@pytest.mark.parametrize("together", [1, 2])
def test_tags_come_back_in_the_order_sent_and_a_job_without_any_has_no_such_member(
    client: Client, together: int
) -> None:
    tags = ['b "quoted"', "a\\b", "{c},d", "NULL", " ", "ö", "a\\b", "tab\t"]
    added = client.add(*[{"name": "n", "data": 1, "opts": {"tags": tags}}] * together)
    plain = client.add(*[{"name": "n", "data": 1, "opts": {"tags": []}}] * together)
    assert [job["tags"] for job in added] == [tags] * together
    assert [job.get("tags") for job in client.page()["jobs"]] == [None] * together + [tags] * together
    assert not any("tags" in job for job in plain)


@pytest.mark.parametrize("together", [1, 2])
def test_a_job_shows_by_when_it_has_to_start_and_one_that_may_start_at_any_time_has_no_such_member(
    client: Client, together: int
) -> None:
    start_by = 253_402_300_799_999
    added = client.add(*[{"name": "n", "data": 1, "opts": {"startBy": start_by}}] * together)
    plain = client.add(*[{"name": "n", "data": 1, "opts": {"startBy": None}}] * together)
    assert [job["startBy"] for job in added] == [start_by] * together
    assert [job.get("startBy") for job in client.page()["jobs"]] == [None] * together + [start_by] * together
    assert not any("startBy" in job for job in plain)


def test_a_job_that_did_not_start_in_time_says_so_and_shows_it_no_more_once_it_is_retried(
    client: Client, db: Database
) -> None:
    job_id = _add(client, startBy=1)
    assert maintenance.fail_unstarted(db) == {"q": 1}

    job = client.job(job_id)
    assert (job["status"], job["failedReason"], job["failedCode"]) == ("failed", "not started in time", "start_by")
    assert (job["startBy"], job["attemptsMade"], job["attemptsStarted"]) == (1, 0, 0)
    assert not {"processedOn", "processedBy", "returnvalue"} & set(job)

    retried = json.loads(client.post(f"/queues/q/jobs/{job_id}/retry", "").text)
    assert (retried["status"], retried["opts"]) == ("waiting", {"startBy": 1})
    assert not {"startBy", "failedReason", "failedCode", "finishedOn"} & set(retried)


def test_an_active_job_shows_who_has_it_since_when(client: Client, db: Database) -> None:
    job_id = _add(client)
    work.take(db)

    job = client.job(job_id)

    assert set(job) == ALWAYS | {"processedOn", "processedBy"}
    assert (job["status"], job["processedBy"], job["attemptsMade"]) == ("active", work.WORKER, 0)
    assert job["timestamp"] <= job["processedOn"] < job["timestamp"] + 60_000


def test_a_completed_job_shows_its_result_and_its_times(client: Client, db: Database) -> None:
    job_id = _add(client)
    work.complete_next(db, result='{"b":1,"a":2}')

    job = client.job(job_id)

    assert set(job) == ALWAYS | {"processedOn", "processedBy", "finishedOn", "returnvalue", "result"}
    assert (job["status"], job["attemptsMade"], job["progress"]) == ("completed", 1, 0)
    assert job["timestamp"] <= job["processedOn"] <= job["finishedOn"]


def test_a_failed_job_shows_why_and_its_times(client: Client, db: Database) -> None:
    job_id = _add(client)
    work.fail_next(db, reason="it broke", stack="line 1\nline 2")

    job = client.job(job_id)

    assert set(job) == ALWAYS | {"processedOn", "processedBy", "finishedOn", "failedReason", "failedCode"}
    assert (job["status"], job["attemptsMade"]) == ("failed", 1)
    assert (job["failedReason"], job["stacktrace"]) == ("it broke", ["line 1\nline 2"])
    assert isinstance(job["finishedOn"], int)


def test_a_job_that_will_be_tried_again_shows_its_backoff_and_its_last_failure(client: Client, db: Database) -> None:
    job_id = _add(client, attempts=3, backoff=5_000)
    work.fail_next(db, reason="first", stack="s1")

    job = client.job(job_id)

    assert set(job) == ALWAYS | {"processedOn", "processedBy", "failedReason"}
    assert (job["status"], job["delay"], job["attemptsMade"]) == ("delayed", 5_000, 1)
    assert (job["failedReason"], job["opts"]) == ("first", {"attempts": 3, "backoff": 5_000})


def test_the_last_failure_stays_when_a_later_attempt_goes_well(client: Client, db: Database) -> None:
    job_id = _add(client, attempts=3)
    work.fail_next(db, reason="first", stack="s1")
    work.fail_next(db, reason="second", stack="s2")
    work.complete_next(db, result="5")

    job = client.job(job_id)

    assert (job["status"], job["attemptsMade"], job["result"]) == ("completed", 3, 5)
    assert (job["failedReason"], job["stacktrace"]) == ("second", ["s1", "s2"])


def test_a_failed_job_says_why_in_a_word(client: Client, db: Database) -> None:
    codes: dict[str, str] = {}

    def note(code: str, job_id: str) -> None:
        codes[code] = client.job(job_id)["failedCode"]

    job_id = _add(client, attempts=2)
    work.fail_next(db)
    assert "failedCode" not in client.job(job_id), "it is retried"
    work.fail_next(db)
    note("failed", job_id)
    job_id = _add(client)
    work.fail_next(db, is_timeout=True)
    note("timed_out", job_id)
    job_id = _add(client)
    work.stall_next(db)
    assert "failedCode" not in client.job(job_id), "it is recovered"
    work.stall_next(db)
    note("stalled", job_id)
    job_id = _add(client, delay=3_600_000)
    client.post(f"/queues/q/jobs/{job_id}/cancel", "")
    note("cancelled", job_id)

    assert codes == {code: code for code in ("failed", "timed_out", "stalled", "cancelled")}


@pytest.mark.parametrize("end", ["fails", "times out", "is released", "stalls"])
def test_a_job_that_was_cancelled_while_it_ran_says_so_however_its_attempt_ends(
    client: Client, db: Database, end: str
) -> None:
    job_id = _add(client, attempts=5)
    [lease] = work.take(db, lease_ms=0 if end == "stalls" else work.LEASE_MS)
    client.post(f"/queues/q/jobs/{job_id}/cancel", "")
    failure = Failure(lease=lease.key, reason="stopped", is_timeout=end == "times out")
    if end == "is released":
        settle.release(db, queue="q", releases=[Release(lease=lease.key)])
    elif end == "stalls":
        maintenance.recover_stalled(db, max_stalled_count=5)
    else:
        settle.fail(db, queue="q", failures=[failure], random=work.RANDOM)

    job = client.job(job_id)
    assert (job["status"], job["failedCode"]) == ("failed", "cancelled")


def test_an_unrecoverable_failure_skips_the_attempts_that_are_left(client: Client, db: Database) -> None:
    job_id = _add(client, attempts=3)
    work.fail_next(db, unrecoverable=True)

    assert (client.job(job_id)["status"], client.job(job_id)["attemptsMade"]) == ("failed", 1)


def test_a_released_job_has_made_no_attempt(client: Client, db: Database) -> None:
    job_id = _add(client, priority=3)
    [lease] = work.take(db)
    settle.release(db, queue="q", releases=[Release(lease=lease.key)])

    job = client.job(job_id)

    assert (job["status"], job["attemptsMade"]) == ("prioritized", 0)
    assert "failedReason" not in job


def test_a_job_that_stalls_too_often_fails_and_says_so(client: Client, db: Database) -> None:
    job_id = _add(client)
    work.stall_next(db)
    assert client.job(job_id)["status"] == "waiting"
    work.stall_next(db)

    job = client.job(job_id)

    assert (job["status"], job["failedReason"]) == ("failed", "job stalled more than allowable limit")


@pytest.mark.parametrize(
    ("result", "returnvalue"),
    [
        ('"done"', "done"),
        ('""', ""),
        ('"\\u00e9\\n"', "é\n"),
        ('"{}"', "{}"),
        ("null", "null"),
        ("false", "false"),
        ("0", "0"),
        ("1.0", "1.0"),
        ("1e400", "1e400"),
        ("9007199254740993", "9007199254740993"),
        ('{"b" : 1, "a":2}', '{"b" : 1, "a":2}'),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_a_result_comes_as_a_string_and_as_itself(client: Client, db: Database, result: str, returnvalue: str) -> None:
    job_id = _add(client)
    work.complete_next(db, result=result)

    answer = client.get(f"/queues/q/jobs/{job_id}")

    assert f'"result":{result},' in answer.text
    assert json.loads(answer.text)["returnvalue"] == returnvalue


@json_texts.IN_DATABASE
@given(result=json_texts.texts)
def test_any_result_comes_back_to_the_letter(client: Client, db: Database, result: str) -> None:
    job_id = _add(client)
    work.complete_next(db, result=result)

    answer = client.get(f"/queues/q/jobs/{job_id}")

    assert f'"result":{result},' in answer.text
    value = json.loads(answer.text)["returnvalue"]
    assert value == (json.loads(result) if result.startswith('"') else result)


def test_the_queue_is_qualified_by_the_prefix(settings: Settings, db: Database) -> None:
    renamed = dataclasses.replace(settings, queue_prefix="shop")
    client = Client(app.create(renamed, db).test_client(), token=TOKEN)

    [added] = client.add({"name": "n", "data": 0}, queue="a:b")

    assert added["queueQualifiedName"] == client.job(added["id"], queue="a:b")["queueQualifiedName"] == "shop:a:b"


def test_every_time_and_number_is_an_integer(client: Client, db: Database) -> None:
    work.one_in_each_status(client, db)

    for job in client.page()["jobs"]:
        for member in ("timestamp", "processedOn", "finishedOn", "delay", "priority", "attemptsMade"):
            assert type(job.get(member, 0)) is int, member


@pytest.mark.parametrize(
    "job_id", ["0", "1e0", "-1", "1.0", "9" * 30, str(2**63), str(2**63 - 1), "nope", "%20", "true"]
)
def test_an_unknown_job_is_not_found(client: Client, job_id: str) -> None:
    _add(client)

    assert answers.problem(client.get(f"/queues/q/jobs/{job_id}"), 404)["code"] == "job_not_found"


@pytest.mark.parametrize("spelling", ["0{}", "+{}", "%20{}", "{}%20", "{}.0", "%EF%BC%91{}"])
def test_no_other_spelling_of_an_id_finds_the_job(client: Client, spelling: str) -> None:
    job_id = _add(client)

    assert client.get(f"/queues/q/jobs/{spelling.format(job_id)}").status_code == 404
    assert client.job(job_id)["id"] == job_id


def test_a_job_of_another_queue_is_not_found(client: Client) -> None:
    job_id = _add(client)

    assert answers.error(client.get(f"/queues/other/jobs/{job_id}"), 404) == f"queue 'other' has no job '{job_id}'"


def test_the_number_of_a_job_with_a_custom_id_is_no_id_of_it(client: Client) -> None:
    first, _mine, third = client.add(*({"name": "n", "data": 0, "opts": opts} for opts in ({}, {"jobId": "x"}, {})))
    between = range(int(first["id"]) + 1, int(third["id"]))

    assert [client.get(f"/queues/q/jobs/{number}").status_code for number in between] == [404]


@pytest.mark.parametrize(
    ("job_id", "fault"),
    [
        ("", "must not be empty"),
        ("x" * 256, "must be at most 255 characters, not 256"),
        ("a%2Fb", "must not contain '/'"),
        ("%00", "must not contain control characters or surrogates"),
        ("a%0A", "must not contain control characters or surrogates"),
        ("%2e%2E", "must not be '..'"),
        ("%ff", "must be percent-encoded UTF-8"),
    ],
)
def test_a_bad_id_is_an_invalid_request_with_the_cause_in_the_details(client: Client, job_id: str, fault: str) -> None:
    said = answers.problem(client.get(f"/queues/q/jobs/{job_id}"), 400)

    assert said["error"] == "Invalid request"
    assert said["details"] == [{"path": "job id", "message": fault}]


def test_a_bad_queue_name_is_an_invalid_request_too(client: Client) -> None:
    said = answers.problem(client.get(f"/queues/{'x' * 101}/jobs/1"), 400)

    assert said["error"] == "Invalid request"
    assert said["details"] == [{"path": "queue name", "message": "must be at most 100 characters, not 101"}]


@pytest.mark.parametrize("length", [199, 200, 201, 255])
def test_a_long_unknown_id_is_not_echoed_whole(client: Client, length: int) -> None:
    error = answers.error(client.get(f"/queues/q/jobs/{'x' * length}"), 404)

    assert error == f"queue 'q' has no job '{'x' * min(length, 200)}'"
