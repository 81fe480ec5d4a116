"""What a worker reports with its attempt's token, and what is told of a job's past."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain.job import Lease
from app.operations import maintenance
from app.postgres.database import Database
from app.store import logs as store_logs
from tests.support import answers, databases, work
from tests.support.client import Client

NOBODYS = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"


def _report(client: Client, lease: Lease, kind: str, said: str, token: str | None = None) -> TestResponse:
    """Send JSON as it is written."""
    return client.flask.post(
        f"/queues/q/jobs/{lease.job.id}/{kind}",
        data=said,
        headers={"Authorization": f"Bearer {token or lease.token}"},
    )


def quoted(line: str) -> str:
    return json.dumps(line, ensure_ascii=False)


def _logs(client: Client, job_id: str, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/queues/q/jobs/{job_id}/logs{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


@pytest.fixture
def lease(client: Client, db: Database) -> Lease:
    client.add({"name": "n", "data": 1})
    return work.take(db)[0]


@pytest.mark.parametrize("kind", ["progress", "logs"])
def test_asking_what_a_path_allows_needs_an_api_token(client: Client, lease: Lease, kind: str) -> None:
    path = f"/queues/q/jobs/{lease.job.id}/{kind}"
    for headers in ({}, {"Authorization": f"Bearer {NOBODYS}"}, {"Authorization": f"Bearer {lease.token}"}):
        answers.error(client.flask.options(path, headers=headers), 401)
    answer = client.flask.options(path, headers=client.authorization)
    assert (answer.status_code, {*answer.headers["Allow"].split(", ")} - {"GET", "HEAD"}) == (200, {"OPTIONS", "POST"})


@pytest.mark.parametrize("said", ["50", "0", "-1.50", "1e400", '{"b": 1,"a":2}', "{}"])
def test_progress_is_kept_to_the_letter(client: Client, lease: Lease, said: str) -> None:
    answer = _report(client, lease, "progress", said)

    assert (answer.status_code, answer.text, answer.mimetype) == (200, "OK", "text/plain")
    assert f'"progress":{said}' in client.get(f"/queues/q/jobs/{lease.job.id}").text


@pytest.mark.parametrize("said", ['"50"', "true", "null", "[]", "", "NaN", "{", "1 2"])
def test_progress_is_a_number_or_an_object(client: Client, lease: Lease, said: str) -> None:
    answers.error(_report(client, lease, "progress", said), 400)
    assert client.job(lease.job.id)["progress"] == 0


@pytest.mark.parametrize("said", ['"half way"', '{"log": "half way"}'])
def test_a_line_is_added_to_the_log(client: Client, lease: Lease, said: str) -> None:
    answer = _report(client, lease, "logs", said)

    assert (answer.status_code, answer.text) == (200, "OK")
    assert _logs(client, lease.job.id) == {"logs": ["half way"], "count": 1}


@pytest.mark.parametrize(
    "said", ["5", "null", '["a"]', '{"line":"a"}', '{"log":5}', '{"log":"a","x":1}', '"\\u0000"', ""]
)
def test_a_line_is_a_string(client: Client, lease: Lease, said: str) -> None:
    answers.error(_report(client, lease, "logs", said), 400)
    assert _logs(client, lease.job.id)["count"] == 0


def test_a_line_has_a_largest_size(client: Client, lease: Lease) -> None:
    assert _report(client, lease, "logs", quoted("é" * 65_536)).status_code == 200
    assert answers.problem(_report(client, lease, "logs", quoted("é" * 65_537)), 413)["code"] == "too_large"


@pytest.mark.parametrize("kind", ["progress", "logs"])
def test_only_the_token_of_the_attempt_that_runs_opens_them(
    client: Client, db: Database, lease: Lease, kind: str
) -> None:
    said = "5" if kind == "progress" else '"line"'
    api = client.authorization["Authorization"].removeprefix("Bearer ")
    client.add({"name": "n", "data": 1})
    [other] = work.take(db)

    for token in (NOBODYS, "x", api, other.token, "0" * 36):
        answer = _report(client, lease, kind, said, token)
        assert answers.problem(answer, 401)["code"] == "unauthorized"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    no_token = client.flask.post(f"/queues/q/jobs/{lease.job.id}/{kind}", data="5")
    assert no_token.status_code == 401
    elsewhere = client.flask.post(
        f"/queues/other/jobs/{lease.job.id}/{kind}",
        data=said,
        headers={"Authorization": f"Bearer {lease.token}"},
    )
    assert elsewhere.status_code == 401
    client.post(f"/queues/q/jobs/{lease.job.id}/complete", json.dumps({"token": lease.token}))
    assert _report(client, lease, kind, said).status_code == 401
    assert client.job(lease.job.id)["progress"] == 0
    assert _logs(client, lease.job.id)["count"] == 0


def test_a_thousand_lines_at_once_are_all_kept_each_writers_in_order(client: Client, lease: Lease) -> None:
    def write(writer: int) -> None:
        for nth in range(100):
            assert _report(client, lease, "logs", quoted(f"{writer} {nth}")).status_code == 200

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(write, range(10)))

    lines = [
        line
        for start in range(0, 1_000, 100)
        for line in _logs(client, lease.job.id, f"?length=100&start={start}")["logs"]
    ]
    assert len(set(lines)) == 1_000
    for writer in range(10):
        assert [line for line in lines if line.startswith(f"{writer} ")] == [f"{writer} {nth}" for nth in range(100)]


@pytest.mark.parametrize("keep", [0, 1, 7, 30])
def test_the_newest_lines_are_kept(
    client: Client, db: Database, shared_url: str, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_logs, "random", random.Random(1))
    client.add({"name": "n", "data": 1, "opts": {"keepLogs": keep}})
    [lease] = work.take(db)
    for nth in range(50):
        _report(client, lease, "logs", quoted(str(nth)))

    told = _logs(client, lease.job.id, "?length=100")

    assert told == {"logs": [str(nth) for nth in range(50 - keep, 50)], "count": keep}
    assert _logs(client, lease.job.id, "?start=1&length=2")["logs"] == told["logs"][1:3]
    [(stored,)] = databases.ask(shared_url, "select count(*) from rowline.logs")
    assert stored <= keep + 2 * max(1, keep // 10)


def test_the_logs_of_two_jobs_whose_lines_alternate_are_both_trimmed(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_logs, "random", random.Random(1))
    for _ in range(2):
        client.add({"name": "n", "data": 1, "opts": {"keepLogs": 20}})
    leases = work.take(db, limit=2)
    for nth in range(60):
        for lease in leases:
            _report(client, lease, "logs", quoted(str(nth)))

    stored = databases.ask(shared_url, "select count(*) from rowline.logs group by number")
    assert [count for (count,) in stored if count > 30] == []


@pytest.mark.parametrize("past", ["logs", "attempts"])
def test_the_past_of_no_job_is_404_and_a_bad_part_of_one_400(client: Client, lease: Lease, past: str) -> None:
    answers.error(client.get(f"/queues/q/jobs/999999/{past}"), 404)
    answers.error(client.get(f"/queues/q/jobs/nobody/{past}"), 404)
    for query in ("start=-1", "length=101", "length=x", "start=1&start=2"):
        answers.error(client.get(f"/queues/q/jobs/{lease.job.id}/{past}?{query}"), 400)


def _attempts(client: Client, job_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/queues/q/jobs/{job_id}/attempts{query}")
    assert answer.status_code == 200, answer.text
    return list((answer.json or {})["attempts"])


def test_every_attempt_is_kept_with_its_worker_and_its_outcome(client: Client, db: Database) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": {"attempts": 5}})
    work.fail_next(db, reason="first")
    [released] = work.take(db)
    client.post(f"/queues/q/jobs/{job['id']}/release", json.dumps({"token": released.token}))
    work.stall_next(db)
    [running] = work.take(db)

    told = _attempts(client, job["id"])
    assert [(one["attempt"], one["outcome"], one["reason"]) for one in told] == [
        (1, "failed", "first"),
        (2, "released", None),
        (3, "stalled", None),
        (4, "running", None),
    ]
    assert {one["worker"] for one in told} == {work.WORKER}
    assert all(one["startedOn"] <= one["endedOn"] for one in told[:3])
    assert told[3]["endedOn"] is None

    client.post(f"/queues/q/jobs/{job['id']}/complete", json.dumps({"token": running.token}))
    assert _attempts(client, job["id"], "?start=3") == [
        told[3] | {"outcome": "completed", "endedOn": client.job(job["id"])["finishedOn"]}
    ]


def test_the_last_attempt_of_a_failed_job_says_why(client: Client, db: Database) -> None:
    [job] = client.add({"name": "n", "data": 1})
    work.fail_next(db, reason="the end")
    assert [(one["outcome"], one["reason"]) for one in _attempts(client, job["id"])] == [("failed", "the end")]


def test_too_many_stalls_fail_the_job_and_stand_among_its_attempts(client: Client, db: Database) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": {"attempts": 9}})
    work.stall_next(db)
    work.stall_next(db)

    assert client.job(job["id"])["failedReason"] == "job stalled more than allowable limit"
    assert [one["outcome"] for one in _attempts(client, job["id"])] == ["stalled", "stalled"]


def test_an_attempt_that_takes_too_long_has_failed(client: Client, db: Database) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": {"attempts": 2, "timeout": 1_000, "backoff": 60_000}})
    [lease] = work.take(db)
    work.age(db, job["id"], ms=2_500)

    assert maintenance.recover_stalled(db, max_stalled_count=1) == {}
    assert maintenance.time_out(db, random=work.RANDOM) == {"q": 1}

    late = client.job(job["id"])
    assert (late["status"], late["failedReason"], late["attemptsMade"]) == ("delayed", "job timed out after 1000 ms", 1)
    assert [one["outcome"] for one in _attempts(client, job["id"])] == ["timed-out"]
    told = client.post(f"/queues/q/jobs/{job['id']}/complete", json.dumps({"token": lease.token}))
    assert told.status_code == 409


def test_a_heartbeat_does_not_save_an_attempt_that_takes_too_long(client: Client, db: Database) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": {"timeout": 1_000}})
    [lease] = work.take(db)
    work.age(db, job["id"], ms=2_500)

    beat = client.post(f"/queues/q/jobs/{job['id']}/extend", json.dumps({"token": lease.token}))

    assert beat.status_code == 409
    maintenance.time_out(db, random=work.RANDOM)
    assert client.job(job["id"])["status"] == "failed"


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_newest_stack_traces_are_kept(client: Client, db: Database, limit: int) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": {"attempts": 9, "stackTraceLimit": limit}})
    for nth in range(5):
        work.fail_next(db, stack=f"stack {nth}")
    assert client.job(job["id"])["stacktrace"] == [f"stack {nth}" for nth in range(5 - limit, 5)]
