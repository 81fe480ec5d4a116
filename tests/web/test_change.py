"""PATCH of a job: what can be changed, when, to what, and where it stands in line then."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain.job import JsonText, LeaseKey
from app.postgres.database import Connection, Database
from app.store import jobs
from tests.support import answers, work
from tests.support.client import Client
from tests.support.jobs import claim, insert

PATH = "/queues/q/jobs"
CANARY = "canary-5e1f0c"
NOBODYS = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"
TEN_YEARS_MS = 10 * 366 * 24 * 3600 * 1000
HOUR_MS = 3_600_000


def patch(client: Client, job_id: str, body: str) -> TestResponse:
    return client.flask.patch(f"{PATH}/{job_id}", data=body, headers=client.authorization)


def changed(client: Client, job_id: str, **members: Any) -> dict[str, Any]:
    """Change a job, which must be possible, and see that the answer is what is stored."""
    job = dict(answers.ok(patch(client, job_id, json.dumps(members))))
    assert job == client.job(job_id)
    return job


def add(client: Client, **opts: Any) -> str:
    return str(client.add({"name": "n", "data": 1, "opts": opts})[0]["id"])


def claimed(client: Client, count: int = 9) -> list[str]:
    leases = answers.ok(client.post(f"{PATH}/claim", json.dumps({"count": count})))["jobs"]
    return [lease["job"]["id"] for lease in leases]


@pytest.mark.parametrize("opts", [{}, {"priority": 3}, {"delay": HOUR_MS}, {"jobId": "mine", "tags": ["old"]}])
def test_what_is_named_is_changed_and_nothing_else(client: Client, opts: dict[str, Any]) -> None:
    job_id = add(client, **opts)
    before = client.job(job_id)

    job = changed(client, job_id, name="other", data={"b": 1, "a": [None]}, tags=["x", "y", "x"], attempts=7)

    held = {"effective": {"attempts": 7, "tags": ["x", "y", "x"]}}
    assert job == before | {"name": "other", "data": {"b": 1, "a": [None]}, "tags": ["x", "y", "x"]} | held
    assert job["opts"] == opts


@pytest.mark.parametrize("change", [{"name": "other"}, {"delay": 60_000}, {"lifo": True}, {"data": 2}, {"tags": ["b"]}])
def test_what_is_not_named_stays(client: Client, db: Database, change: dict[str, Any]) -> None:
    opts = {"priority": 3, "attempts": 4, "tags": ["a"], "lifo": False}
    job_id = add(client, **opts)
    columns = ("name", "data", "priority", "attempts", "tags", "lifo", "delay_ms")
    query = f"select {', '.join(columns).replace('data', 'data::text')} from rowline.jobs"
    with db.read() as conn:
        before = dict(zip(columns, conn.exec_driver_sql(query).one(), strict=True))
    changed(client, job_id, **change)

    with db.read() as conn:
        after = dict(zip(columns, conn.exec_driver_sql(query).one(), strict=True))
    [named] = ["delay_ms" if name == "delay" else name for name in change]
    assert {name for name in columns if after[name] != before[name]} == {named}


def test_data_come_back_to_the_letter(client: Client) -> None:
    job_id = add(client)

    answer = patch(client, job_id, '{"data": {"b" : 1e400, "a":1.50} }')
    assert '"data":{"b" : 1e400, "a":1.50}' in answer.text
    assert '"data":{"b" : 1e400, "a":1.50}' in client.get(f"{PATH}/{job_id}").text


@pytest.mark.parametrize("data", ["0", "false", '""', "[]", "{}", '"null"'])
def test_data_may_be_any_value_but_null(client: Client, data: str) -> None:
    job_id = add(client)

    assert answers.ok(patch(client, job_id, f'{{"data":{data}}}'))["data"] == json.loads(data)


def test_attempts_count_from_then_on(client: Client, db: Database) -> None:
    more, fewer = add(client, attempts=1, backoff=0), add(client, attempts=5, backoff=0)
    changed(client, more, attempts=2)
    changed(client, fewer, attempts=0)
    for _ in range(3):
        work.fail_next(db)

    assert (client.job(more)["attemptsMade"], client.job(fewer)["attemptsMade"]) == (2, 1)
    assert {client.job(job_id)["status"] for job_id in (more, fewer)} == {"failed"}


def test_empty_tags_take_them_away(client: Client) -> None:
    job_id = add(client, tags=["a"])

    assert "tags" not in changed(client, job_id, tags=[])


@pytest.mark.parametrize(
    ("opts", "change", "status", "priority"),
    [
        ({}, {"priority": 3}, "prioritized", 3),
        ({"priority": 3}, {"priority": 0}, "waiting", 0),
        ({"priority": 3}, {"priority": 9}, "prioritized", 9),
        ({"delay": HOUR_MS}, {"priority": 3}, "delayed", 3),
        ({"delay": HOUR_MS, "priority": 3}, {"priority": 0}, "delayed", 0),
        ({"priority": 3}, {"lifo": True}, "prioritized", 3),
        ({}, {"delay": HOUR_MS}, "delayed", 0),
        ({"priority": 3}, {"delay": HOUR_MS}, "delayed", 3),
        ({"delay": HOUR_MS}, {"delay": 0}, "waiting", 0),
        ({"delay": HOUR_MS}, {"delay": 0, "priority": 2}, "prioritized", 2),
        ({}, {"delay": 0}, "waiting", 0),
    ],
)
def test_its_status_follows_its_delay_and_its_priority(
    client: Client, opts: dict[str, Any], change: dict[str, Any], status: str, priority: int
) -> None:
    job = changed(client, add(client, **opts), **change)

    assert (job["status"], job["priority"], job["opts"]) == (status, priority, opts)
    assert job["delay"] == change.get("delay", opts.get("delay", 0))
    counts = client.page()["counts"]
    assert {name for name, count in counts.items() if count} == {status}


def test_a_new_priority_or_lifo_is_joined_as_the_latest_comer(client: Client) -> None:
    first, second, third, fourth = (add(client, priority=5) for _ in range(4))
    plain = add(client)

    changed(client, second, priority=5)
    changed(client, first, priority=0)
    changed(client, plain, priority=5)
    changed(client, third, lifo=True)

    assert claimed(client) == [first, third, fourth, second, plain]


def test_what_is_no_matter_of_the_line_leaves_a_job_at_its_place(client: Client) -> None:
    first, second = add(client), add(client)
    changed(client, first, name="other", data=2, attempts=3, tags=["a"])

    assert claimed(client) == [first, second]


def test_a_delay_counts_from_now_also_for_a_waiting_job(client: Client, db: Database) -> None:
    soon, late = add(client), add(client, delay=HOUR_MS, lifo=True)
    changed(client, late, delay=2 * HOUR_MS, lifo=False)
    changed(client, soon, delay=HOUR_MS)
    with db.read() as conn:
        due = conn.exec_driver_sql(
            "select number::text, extract(epoch from run_at - statement_timestamp()) / 3600, "
            "place = (extract(epoch from run_at) * 1000000)::bigint from rowline.jobs"
        ).all()

    assert {number: (round(hours), is_there) for number, hours, is_there in due} == {soon: (1, True), late: (2, True)}
    assert claimed(client) == []


def test_a_delayed_job_with_a_new_priority_is_due_when_it_was(client: Client, db: Database) -> None:
    first, second = add(client, delay=HOUR_MS), add(client, delay=2 * HOUR_MS)
    due = "select number::text, run_at from rowline.jobs order by number"
    with db.read() as conn:
        before = [tuple(row) for row in conn.exec_driver_sql(due)]
    changed(client, first, priority=4)
    changed(client, second, priority=4, lifo=True)

    with db.read() as conn:
        assert [tuple(row) for row in conn.exec_driver_sql(due)] == before
    for job_id in (first, second):
        work.make_due(db, job_id)
    assert claimed(client) == [second, first]


@pytest.mark.parametrize("change", [{"delay": 0}, {"delay": 0, "priority": 3}])
def test_who_waits_for_a_job_gets_one_that_is_made_ready(client: Client, change: dict[str, Any]) -> None:
    job_id = add(client, delay=HOUR_MS)
    assert claimed(client) == []
    changed(client, job_id, **change)

    assert claimed(client) == [job_id]


@pytest.mark.parametrize(
    ("status", "code"), [("active", "job_active"), ("completed", "job_finished"), ("failed", "job_finished")]
)
@pytest.mark.parametrize("body", [{"name": "other"}, {"data": 2}, {"delay": 0}, {"priority": 1, "lifo": True}])
def test_in_other_statuses_it_is_refused(
    client: Client, db: Database, status: str, code: str, body: dict[str, Any]
) -> None:
    job_id = work.one_in_each_status(client, db)[status]
    before = client.job(job_id)

    assert answers.problem(patch(client, job_id, json.dumps(body)), 409)["code"] == code
    assert client.job(job_id) == before
    assert answers.ok(client.get("/audit"))["entries"] == []


@pytest.mark.parametrize("job_id", ["999999", "nobody", "9" * 40])
def test_what_is_not_there_is_404(client: Client, job_id: str) -> None:
    for body in ('{"name": "other"}', f'{{"data": 1, "token": "{NOBODYS}"}}'):
        assert answers.problem(patch(client, job_id, body), 404)["code"] == "job_not_found"


def test_the_data_of_an_active_job_are_changed_by_who_holds_it(client: Client, db: Database) -> None:
    add(client, attempts=2, backoff=0)
    [lease] = work.take(db)

    job = dict(answers.ok(patch(client, lease.job.id, json.dumps({"data": "step 2", "token": lease.token.upper()}))))
    assert (job["data"], job["status"]) == ("step 2", "active")
    client.post(f"{PATH}/{lease.job.id}/fail", json.dumps({"token": lease.token, "failedReason": "r"}))
    [again] = work.take(db)
    assert again.job.data == '"step 2"'


@pytest.mark.parametrize("token", [NOBODYS, "x", ""])
def test_with_another_token_the_lease_is_lost(client: Client, db: Database, token: str) -> None:
    add(client)
    [lease] = work.take(db)

    answer = patch(client, lease.job.id, json.dumps({"data": 2, "token": token}))
    assert answers.problem(answer, 409)["code"] == "lease_lost"
    assert client.job(lease.job.id)["data"] == 1


def test_a_token_is_compared_by_the_statement_too(conn: Connection) -> None:
    insert(conn)
    [lease] = claim(conn)

    for token, is_mine in ((NOBODYS, False), (lease.token, True)):
        key = LeaseKey(number=lease.job.number, token=token)
        assert jobs.change_data(conn, queue="q", lease=key, data=JsonText("2")) is is_mine


def test_a_token_that_has_run_out_or_whose_attempt_has_ended_changes_nothing(client: Client, db: Database) -> None:
    expired, ended, waiting = add(client), add(client), add(client, attempts=2, backoff=0)
    leases = [*work.take(db, lease_ms=0), work.complete_next(db), work.fail_next(db)]

    assert [lease.job.id for lease in leases] == [expired, ended, waiting]
    for lease in leases:
        answer = patch(client, lease.job.id, json.dumps({"data": 2, "token": lease.token}))
        assert answers.problem(answer, 409)["code"] == "lease_lost"
        assert client.job(lease.job.id)["data"] == 1


@pytest.mark.parametrize("more", [{"name": "other"}, {"priority": 3}, {"tags": []}, {"attempts": 5}])
@pytest.mark.parametrize("data", [{}, {"data": 2}])
def test_nothing_but_the_data_of_an_active_job_can_be_changed(
    client: Client, db: Database, more: dict[str, Any], data: dict[str, Any]
) -> None:
    add(client)
    [lease] = work.take(db)
    before = client.job(lease.job.id)

    answer = patch(client, lease.job.id, json.dumps({"token": lease.token} | more | data))
    assert answers.problem(answer, 409)["code"] == "job_active"
    assert client.job(lease.job.id) == before


@pytest.mark.parametrize(
    ("body", "error"),
    [
        *(
            (f'{{"{name}":null}}', f"{name} must not be null")
            for name in ("data", "name", "priority", "delay", "lifo", "attempts", "tags", "token")
        ),
        ("{}", "body must name what to change: name, data, attempts, delay, priority, lifo, tags"),
        ('{"token":"x"}', "body must name what to change: name, data, attempts, delay, priority, lifo, tags"),
        ("", "body must be an object"),
        ("[]", "body must be an object"),
        ('{"name":""}', "name must not be empty"),
        ('{"name":5}', "name must be a string"),
        (json.dumps({"name": "n" * 256}), "name must be at most 255 characters, not 256"),
        ('{"priority":-1}', "priority must be between 0 and 2097152"),
        ('{"priority":2097153}', "priority must be between 0 and 2097152"),
        ('{"priority":"1"}', "priority must be an integer"),
        ('{"delay":-1}', f"delay must be between 0 and {TEN_YEARS_MS}"),
        (f'{{"delay":{TEN_YEARS_MS + 1}}}', f"delay must be between 0 and {TEN_YEARS_MS}"),
        ('{"delay":true}', "delay must be an integer"),
        ('{"lifo":1}', "lifo must be true or false"),
        ('{"attempts":1001}', "attempts must be between 0 and 1000"),
        ('{"attempts":1.5}', "attempts must be an integer"),
        ('{"tags":"a"}', "tags must be an array of strings"),
        ('{"tags":["a",""]}', "tags[1] must not be empty"),
        ('{"tags":["1","2","3","4","5","6","7","8","9","10","11"]}', "tags must hold at most 10 strings"),
        ('{"token":5,"data":1}', "token must be a string"),
        ('{"data":1,"data":2}', "data is there twice"),
        ('{"data":"\\u0000"}', "data must not contain"),
        ('{"data":NaN}', "data must not contain NaN"),
        ('{"opts":{}}', "opts is not known here"),
        ('{"backoff":5}', "backoff is not known here"),
        ('{"jobId":"x"}', "jobId is not known here"),
        ('{"status":"waiting"}', "status is not known here"),
    ],
)
def test_a_bad_member_is_named_and_nothing_is_changed(client: Client, body: str, error: str) -> None:
    job_id = add(client, tags=["old"])
    before = client.job(job_id)

    assert answers.error(patch(client, job_id, body), 400).startswith(error)
    assert client.job(job_id) == before


def test_all_faults_are_told_at_once(client: Client) -> None:
    said = answers.problem(patch(client, add(client), '{"name": 5, "delay": -1, "x": 1, "data": null}'), 400)

    assert {fault["path"] for fault in said["details"]} == {"name", "delay", "x", "data"}


def test_data_over_the_limit_are_a_413(small_client: Client) -> None:
    job_id = add(small_client)

    said = answers.problem(patch(small_client, job_id, json.dumps({"data": "x" * 99})), 413)
    assert (said["code"], said["details"][0]["path"]) == ("too_large", "data")
    assert answers.problem(patch(small_client, job_id, json.dumps({"data": "x" * 2_000})), 413)["code"] == "too_large"
    assert answers.ok(patch(small_client, job_id, json.dumps({"data": "x" * 98})))["data"] == "x" * 98


def test_the_audit_says_what_was_changed_and_no_data(client: Client, db: Database) -> None:
    job_id = add(client, tags=["old"], priority=2)
    changed(client, job_id, name="other", priority=0, delay=HOUR_MS, lifo=True, attempts=4, tags=[], data=CANARY)
    [act] = answers.ok(client.get("/audit"))["entries"]

    assert (act["action"], act["queue"], act["target"]) == ("jobs.change", "q", job_id)
    before = {"status": "prioritized", "name": "n", "priority": 2, "delay": 0, "lifo": False, "attempts": 1}
    after = {"status": "delayed", "name": "other", "priority": 0, "delay": HOUR_MS, "lifo": True, "attempts": 4}
    assert act["before"] == before | {"tags": ["old"]}
    assert act["after"] == after | {"tags": [], "data": "changed"}
    assert CANARY not in client.get("/audit").text


def test_a_long_value_is_changed_and_answered(client: Client) -> None:
    job_id = add(client)

    assert changed(client, job_id, data="x" * 500_000)["data"] == "x" * 500_000
    assert changed(client, job_id, name="other")["data"] == "x" * 500_000
    assert changed(client, job_id, data="short")["data"] == "short"
