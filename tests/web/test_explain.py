"""GET …/explain: each reason for which a job does not run, made real, and what the sentence says to do about it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.domain.endpoint import Limiter
from app.domain.explain import Code
from app.domain.workers import Sighting, Way
from app.infra.release import HEAD
from app.operations import endpoints
from app.postgres.database import Database
from app.queries import endpoints as endpoint_queries
from tests.support import answers, databases, receivers, work
from tests.support.client import Client
from tests.support.databases import connected
from tests.support.tokens import issue
from tests.web.test_queue_workers import see

HOUR_MS = 3_600_000
CANARY = "canary-5e1f0c"


def add(client: Client, **opts: Any) -> str:
    return str(client.add({"name": "n", "data": {CANARY: 1}, "opts": opts})[0]["id"])


def explain(client: Client, job_id: str | None = None) -> dict[str, Any]:
    """Explain a job, or the queue; what the sentence says is what the reasons say."""
    job = "" if job_id is None else f"/jobs/{job_id}"
    found: dict[str, Any] = answers.ok(client.get(f"/queues/q{job}/explain"))
    assert all(reason["text"] in found["sentence"] for reason in found["reasons"])
    assert found["reasons"] == [] or found["reasons"][0].get("hint", "") in found["sentence"]
    assert found["asOf"] > 1_700_000_000_000
    return found


def codes(found: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in found["reasons"]]


@pytest.fixture
def worked(db: Database) -> None:
    """The queue has a worker."""
    see(db, Sighting("q", "crane:7", Way.PYTHON, 8, 3))


@pytest.mark.usefixtures("worked")
def test_a_paused_queue_says_who_paused_it_when_and_why(client: Client) -> None:
    job_id = add(client)
    paused = answers.ok(client.post("/queues/q/pause", json.dumps({"reason": "the provider is down"})))

    found = explain(client, job_id)
    assert (found["status"], codes(found)) == ("waiting", ["paused"])
    [reason] = found["reasons"]
    assert (reason["since"], reason["by"]) == (paused["pausedOn"], paused["pausedBy"])
    assert "(the provider is down)" in found["sentence"]
    assert "POST /queues/q/resume" in found["sentence"]
    assert (found["ahead"], "start" in found) == ({"jobs": 0, "isExact": True}, False)
    whole = explain(client)
    assert (whole["status"], codes(whole)) == ("blocked", ["paused"])

    answers.ok(client.post("/queues/q/resume", ""))
    assert codes(explain(client, job_id)) == ["behind"]


@pytest.mark.usefixtures("worked")
def test_a_delayed_job_says_until_when(client: Client, db: Database) -> None:
    job_id = add(client, delay=HOUR_MS)
    found = explain(client, job_id)
    job = client.job(job_id)
    assert (codes(found), found["reasons"][0]["until"]) == (["delayed"], job["timestamp"] + HOUR_MS)
    assert f"rowline jobs promote q {job_id}" in found["sentence"]
    assert "ahead" not in found
    whole = explain(client)
    assert (whole["status"], codes(whole)) == ("waiting", ["delayed"])
    assert whole["reasons"][0]["until"] == job["timestamp"] + HOUR_MS

    work.make_due(db, job_id)
    for found in (explain(client, job_id), explain(client)):
        assert "it is due, and joins the line within a second" in found["sentence"]
        assert "no process of Rowline runs" in found["sentence"]


@pytest.mark.usefixtures("worked")
def test_a_failed_attempt_is_retried_after_its_backoff_and_says_what_failed(client: Client, db: Database) -> None:
    job_id = add(client, attempts=3, backoff=HOUR_MS)
    work.fail_next(db, reason=CANARY + "x" * 300)
    found = explain(client, job_id)
    [reason] = found["reasons"]
    assert reason["code"] == "backoff"
    assert "attempt 1 of 3 failed, and the next one waits 3600000 ms" in found["sentence"]
    assert reason["until"] == reason["since"] + HOUR_MS
    assert reason["failedReason"] == (CANARY + "x" * 300)[:200]

    changed = client.patch(f"/queues/q/jobs/{job_id}", json.dumps({"delay": 2 * HOUR_MS}))
    assert changed.status_code == 200
    assert codes(explain(client, job_id)) == ["delayed"]
    answers.ok(client.post(f"/queues/q/jobs/{job_id}/promote", ""))
    work.fail_next(db, reason="late", is_timeout=True)
    assert "attempt 2 of 3 exceeded its timeout" in explain(client, job_id)["sentence"]


@pytest.mark.usefixtures("worked")
def test_a_job_that_was_given_back_with_a_delay_says_by_whom(client: Client) -> None:
    job_id = add(client, attempts=3)
    [lease] = answers.ok(client.post("/queues/q/jobs/claim", json.dumps({"worker": "boat"})))["jobs"]
    body = {"token": lease["token"], "delay": HOUR_MS}
    answers.ok(client.post(f"/queues/q/jobs/{job_id}/release", json.dumps(body)))
    found = explain(client, job_id)
    assert codes(found) == ["delayed"]
    assert "boat gave it back at" in found["sentence"]
    assert "it may have no handler for the job's name" in found["sentence"]


def test_a_queue_that_nobody_works_says_how_to_start_a_worker(client: Client, db: Database) -> None:
    job_id = add(client)
    for found in (explain(client, job_id), explain(client)):
        assert codes(found) == ["no_worker"]
        assert "rowline work --queue q --handlers FILE" in found["sentence"]
    assert explain(client)["status"] == "blocked"

    see(db, Sighting("q", "boat", Way.PULL, 2))
    assert codes(explain(client, job_id)) == ["behind"]


def test_an_endpoint_that_nobody_calls_needs_a_dispatcher(client: Client, db: Database, shared_url: str) -> None:
    job_id = add(client)
    receivers.register(db, "https://example.com/")
    with connected(shared_url, f"rowline-dispatcher {HEAD}"):
        assert codes(explain(client, job_id)) == ["behind"], "one that has just heard of it"
    found = explain(client, job_id)
    assert codes(found) == ["no_worker"]
    assert found["sentence"].endswith("Start one: `rowline dispatch`.")
    see(db, Sighting("q", "push:crane:8", Way.PUSH, 10, 4))
    assert codes(explain(client, job_id)) == ["behind"]


def test_an_endpoint_that_is_switched_off_says_why_until_somebody_else_works(client: Client, db: Database) -> None:
    job_id = add(client)
    receivers.register(db, "https://example.com/")
    revision = endpoint_queries.revisions(db)["q"]
    assert endpoints.switch_off(db, queue="q", revision=revision, reason="the endpoint answered 410 Gone")
    for found in (explain(client, job_id), explain(client)):
        assert codes(found) == ["endpoint_off"]
        assert "(the endpoint answered 410 Gone)" in found["sentence"]
        assert "`rowline endpoints switch-on q`, or POST /queues/q/endpoint/switch-on" in found["sentence"]
        assert "since" in found["reasons"][0]
    see(db, Sighting("q", "crane:7", Way.PYTHON, 8, 3))
    assert codes(explain(client, job_id)) == ["behind"]


def test_an_endpoint_that_asked_to_wait_says_until_when(client: Client, db: Database) -> None:
    job_id = add(client)
    receivers.register(db, "https://example.com/")
    see(db, Sighting("q", "push:crane:8", Way.PUSH, 10, 4))
    endpoints.pause(db, queue="q", revision=endpoint_queries.revisions(db)["q"], pause_ms=HOUR_MS)
    found = explain(client, job_id)
    assert codes(found) == ["endpoint_paused"]
    assert 0 < found["reasons"][0]["until"] - found["asOf"] <= HOUR_MS
    assert "Retry-After" in found["sentence"]


def test_a_limiter_of_an_endpoint_that_is_used_up_says_when_the_next_call_may_begin(
    client: Client, db: Database, shared_url: str
) -> None:
    job_id = add(client)
    receivers.register(db, "https://example.com/", limiter=Limiter(max_calls=1, window_ms=HOUR_MS))
    see(db, Sighting("q", "push:crane:8", Way.PUSH, 10, 4))
    assert codes(explain(client, job_id)) == ["behind"]
    databases.run(shared_url, "update rowline.endpoints set window_started_at = now(), window_count = 1")
    found = explain(client, job_id)
    assert (codes(found), found["reasons"][0]["by"]) == (["rate"], "endpoint")
    assert "allows 1 call in 3600000 ms" in found["sentence"]
    databases.run(shared_url, "update rowline.endpoints set window_started_at = now() - interval '2 hours'")
    assert codes(explain(client, job_id)) == ["behind"]


@pytest.mark.usefixtures("worked")
def test_a_plan_that_means_a_job_is_told(client: Client) -> None:
    job_id, other = add(client), add(client, priority=3)
    wanted = {"action": "remove", "filter": {"ids": [job_id]}}
    plan = answers.ok(client.post("/queues/q/plans", json.dumps(wanted)))
    found = explain(client, job_id)
    assert codes(found) == ["plan", "behind"]
    assert f"removes it once it is applied, if it still can: {plan['id']}" in found["sentence"]
    assert (codes(explain(client, other)), codes(explain(client))) == (["behind"], ["behind"])


@pytest.mark.usefixtures("worked")
def test_a_drain_that_has_not_come_to_a_job_is_told(client: Client, shared_url: str) -> None:
    job_id = add(client)
    databases.run(
        shared_url,
        "insert into rowline.plans (queue, id, action, filter, status, until, is_direct, created_by, applied_at) "
        "values ('q', gen_random_uuid(), 'remove', '{\"statuses\": [\"waiting\"]}', 'applying', 2000000000, true, "
        "'env:0', now())",
    )
    late = add(client, delay=HOUR_MS)
    found = explain(client, job_id)
    assert codes(found) == ["plan", "behind"]
    assert "rowline plans stop q" in found["sentence"]
    assert codes(explain(client, late)) == ["delayed"]
    assert codes(explain(client)) == ["plan", "behind"]


def test_programs_that_wait_for_another_schema_are_why_nobody_works(client: Client, shared_url: str) -> None:
    job_id = add(client)
    for name, words in (
        ("rowline-worker 0001", "serves programs of release"),
        ("rowline-worker 9999", "rowline db upgrade"),
    ):
        with connected(shared_url, name):
            for found in (explain(client, job_id), explain(client)):
                assert (codes(found), found["reasons"][0]["by"]) == (["schema_ahead"], name)
                assert words in found["sentence"]


@pytest.mark.usefixtures("worked")
def test_a_job_that_should_have_begun_fails_soon_and_one_that_has_to_begin_says_by_when(
    client: Client, shared_url: str
) -> None:
    job_id = add(client, startBy=4_000_000_000_000)
    found = explain(client, job_id)
    assert codes(found) == ["behind"]
    assert "It fails if it has not begun by 2096-10-02 07:06:40 UTC." in found["sentence"]
    databases.run(shared_url, "update rowline.jobs set start_by = 1000")
    found = explain(client, job_id)
    assert codes(found) == ["start_by"]
    assert "fails within a second" in found["sentence"]


@pytest.mark.usefixtures("worked")
def test_jobs_in_line_say_how_many_are_before_them(client: Client) -> None:
    plain = [add(client) for _ in range(3)]
    urgent, prioritized = add(client, lifo=True), add(client, priority=2)
    low = add(client, priority=9)
    before = {job_id: explain(client, job_id)["ahead"]["jobs"] for job_id in (urgent, *plain, prioritized, low)}
    assert [*before.values()] == [0, 1, 2, 3, 4, 5]
    assert "it is the next of its queue" in explain(client, urgent)["sentence"]
    assert "5 jobs are before it" in explain(client, low)["sentence"]
    whole = explain(client)
    assert (whole["status"], whole["ahead"]) == ("working", {"jobs": 4, "isExact": True})


@pytest.mark.usefixtures("worked")
def test_a_start_is_told_by_the_pace_of_the_last_minutes(client: Client, shared_url: str) -> None:
    job_ids = [add(client) for _ in range(11)]
    assert "start" not in explain(client, job_ids[-1])
    assert "no job of the queue ended in the last 5 minutes" in explain(client, job_ids[-1])["sentence"]
    databases.run(
        shared_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) select date_trunc('minute', now()) "
        "- ago * interval '1 minute', 'q', 0, 50, 10 from generate_series(0, 6) as ago",
    )
    found = explain(client, job_ids[-1])
    assert found["start"]["p50"] - found["asOf"] == pytest.approx(10_667, abs=1)  # one a second, and 10 before it
    assert 11_000 < found["start"]["p90"] - found["asOf"] < 22_000
    assert "it is likely to begin about" in found["sentence"]
    assert explain(client)["start"]["p50"] - found["asOf"] == pytest.approx(12_000, abs=2_000)
    answers.ok(client.post("/queues/q/pause", ""))
    assert "start" not in explain(client, job_ids[-1])


def test_an_active_job_says_who_runs_it_and_how_long_the_lease_lasts(client: Client, db: Database) -> None:
    job_id = add(client)
    work.take(db)
    found = explain(client, job_id)
    [reason] = found["reasons"]
    assert (found["status"], reason["code"], reason["by"]) == ("active", "active", work.WORKER)
    assert 0 < reason["until"] - found["asOf"] <= work.LEASE_MS
    assert (explain(client)["status"], codes(explain(client))) == ("working", ["active"])

    answers.ok(client.post(f"/queues/q/jobs/{job_id}/cancel", ""))
    assert codes(explain(client, job_id)) == ["active", "cancelling"]
    work.age(db, job_id, ms=HOUR_MS)
    assert "Look whether that worker lives" in explain(client, job_id)["sentence"]


def test_a_job_that_has_ended_says_how(client: Client, db: Database) -> None:
    completed = add(client)
    work.complete_next(db)
    failed = add(client)
    work.fail_next(db, reason=CANARY)
    cancelled = add(client)
    answers.ok(client.post(f"/queues/q/jobs/{cancelled}/cancel", ""))
    assert codes(explain(client, completed)) == ["ended"]
    found = explain(client, failed)
    assert (codes(found), found["reasons"][0]["failedReason"]) == (["ended"], CANARY)
    assert f"rowline jobs retry q {failed}" in found["sentence"]
    assert "it was cancelled" in explain(client, cancelled)["sentence"]
    whole = explain(client)
    assert (whole["status"], whole["reasons"]) == ("idle", [])
    assert "it has no jobs that wait; 2 jobs have failed. Why: `rowline failures q`." in whole["sentence"]


def test_without_the_right_to_payloads_no_reason_of_a_failure_is_told(client: Client, db: Database) -> None:
    failed, retried = add(client), add(client, attempts=2, backoff=HOUR_MS)
    work.fail_next(db, reason=CANARY)
    work.fail_next(db, reason=CANARY)
    client.authorization = {"Authorization": f"Bearer {issue(db, 'jobs:read').secret}"}
    for path in (f"/jobs/{failed}/explain", f"/jobs/{retried}/explain", "/explain", "/scaling"):
        answer = client.get(f"/queues/q{path}")
        assert CANARY not in answer.text
        assert path == "/scaling" or answers.ok(answer)["hidden"] == ["failedReason"]


@pytest.mark.usefixtures("worked")
def test_a_queue_whose_workers_are_busy_says_how_to_see_with_what(client: Client, db: Database) -> None:
    add(client)
    work.take(db)
    add(client)
    whole = explain(client)
    assert (whole["status"], codes(whole)) == ("working", ["behind", "active"])
    assert "`rowline jobs list q --status active`" in whole["sentence"]


@pytest.mark.usefixtures("worked")
def test_how_busy_the_workers_are_is_said_of_a_job_in_line_and_of_the_queue(client: Client) -> None:
    job_id = add(client)
    for found in (explain(client, job_id), explain(client)):
        assert "3 of 8 slots of its Python workers are busy" in found["sentence"]


def test_how_busy_workers_over_http_are_is_not_said(client: Client, db: Database) -> None:
    see(db, Sighting("q", "crane:7", Way.PULL, 8, 0))
    add(client)
    assert "slots" not in explain(client)["sentence"]


def test_what_to_do_is_said_of_each_reason_that_blocks(client: Client) -> None:
    job_id = add(client, delay=HOUR_MS)
    answers.ok(client.post("/queues/q/pause", ""))
    found = explain(client, job_id)
    assert codes(found) == ["paused", "delayed", "no_worker"]
    assert all(reason["hint"] in found["sentence"] for reason in found["reasons"])


def test_a_queue_says_which_of_its_schedules_are_paused(client: Client) -> None:
    for schedule_id in ("nightly", "weekly"):
        path = f"/queues/q/schedulers/{schedule_id}"
        assert client.put(path, json.dumps({"pattern": "0 3 * * *", "template": {}})).status_code == 201
    assert explain(client)["sentence"] == "Queue q is idle: it has no jobs that wait."
    answers.ok(client.post("/queues/q/schedulers/nightly/pause", ""))
    found = explain(client)
    assert (found["status"], codes(found)) == ("idle", ["schedule_paused"])
    assert "its schedule nightly is paused since" in found["sentence"]
    assert " by env:1, and adds no jobs" in found["sentence"]
    assert found["reasons"][0]["by"] == "env:1"
    assert "`rowline schedulers resume q nightly`, or POST /queues/q/schedulers/nightly/resume" in found["sentence"]


def test_of_a_queue_that_never_had_a_job_it_is_said_that_nothing_is_known(client: Client, db: Database) -> None:
    unknown = (
        "Queue q is idle: it has never had a job, and nothing else is known of it. Look whether the name is right."
    )
    assert explain(client)["sentence"] == unknown
    answers.ok(client.post("/queues/q/pause", ""))
    assert "nothing else is known" not in explain(client)["sentence"]
    answers.ok(client.post("/queues/q/resume", ""))
    job_id = add(client)
    answers.ok(client.flask.delete(f"/queues/q/jobs/{job_id}", headers=client.authorization))
    work.fold(db)
    assert explain(client)["sentence"] == "Queue q is idle: it has no jobs that wait."


def test_the_page_has_each_code_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "app" / "docs" / "explain.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [*Code]


def test_a_job_that_there_is_not_is_a_404(client: Client) -> None:
    for job_id in ("7", "no-such", "01"):
        assert answers.problem(client.get(f"/queues/q/jobs/{job_id}/explain"), 404)["code"] == "job_not_found"
    own = client.add({"name": "n", "data": 1, "opts": {"jobId": "mine"}})[0]["id"]
    assert explain(client, own)["sentence"].startswith("Job mine is waiting")
    assert answers.problem(client.get("/queues/other/jobs/mine/explain"), 404)
