"""GET /metrics: what it says, to whom, and how often it is made."""

import json
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from app.domain.metrics import BOUNDS
from app.infra import metricnames
from app.infra.metricnames import METRICS, OF_DATABASE, OF_QUEUES
from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from app.web.metrics import routes
from tests.conftest import TOKEN
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.tokens import issue

CANARY = "canary-7f3a"
HOSTILE = 'a"\\}{=,#\u2028é'


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the metrics for each who asks."""
    monkeypatch.setattr(routes, "FRESH_S", 0.0)


def scraped(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples by name and by the values of their labels, in the order of the names of these."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        name: samples
        for family in text_string_to_metric_families(answer.text)
        for name, samples in _samples(family).items()
    }


def _samples(family: Any) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for sample in family.samples:
        labels = tuple(sample.labels[label] for label in sorted(sample.labels))
        assert labels not in found.setdefault(sample.name, {}), f"{sample.name} {labels} twice"
        found[sample.name][labels] = sample.value
    return found


@pytest.fixture
def own(settings: Settings, db: Database) -> Flask:
    """An application whose requests are those of the test alone."""
    return app.create(settings, db)


def worked(client: Client, queue: str = "q") -> None:
    """Add three jobs: one completes, one fails for good, one is released."""
    client.add(*[{"name": "n", "data": 1} for _ in range(3)], queue=queue)
    claimed = answers.ok(client.post(f"/queues/{queue}/jobs/claim", json.dumps({"count": 3})))["jobs"]
    ends: tuple[tuple[str, dict[str, Any]], ...] = (
        ("complete", {"returnvalue": 1}),
        ("fail", {"failedReason": "no"}),
        ("release", {}),
    )
    for held, (verb, members) in zip(claimed, ends, strict=True):
        path = f"/queues/{queue}/jobs/{held['job']['id']}/{verb}"
        answers.ok(client.post(path, json.dumps({"token": held["token"]} | members)))


def test_it_says_what_happened_in_a_queue_and_how_it_stands(client: Client, db: Database) -> None:
    worked(client)
    work.fold(db)
    found = scraped(client)
    assert found["rowline_jobs"][("q", "waiting")] == 1
    assert found["rowline_jobs"][("q", "completed")] == 1
    assert found["rowline_jobs"][("q", "delayed")] == 0
    for name, value in {"added": 3, "claimed": 3, "completed": 1, "failed": 1, "removed": 0}.items():
        assert found[f"rowline_jobs_{name}_total"] == {("q",): value}
    outcomes = {"completed": 1, "failed": 1, "retried": 0, "released": 1, "stalled": 0}
    assert found["rowline_attempts_total"] == {(outcome, "q"): count for outcome, count in outcomes.items()}
    assert 0 <= found["rowline_queue_oldest_ready_seconds"][("q",)] < 600
    assert found["rowline_queue_paused"] == {("q",): 0}
    assert found["rowline_database_up"] == {(): 1}
    assert found["rowline_deltas_unfolded"] == {(): 0}
    assert found["rowline_fold_age_seconds"] == {(): 0}


def test_it_says_how_long_jobs_waited_and_ran_by_buckets(client: Client, db: Database, shared_url: str) -> None:
    client.add({"name": "n", "data": 1}, queue="quiet")
    worked(client)
    databases.run(
        shared_url, "update rowline.job_deltas set durations = 'ajx', durations_s = 90000 where verb = 'claim'"
    )
    work.fold(db)
    found = scraped(client)
    name = "rowline_job_wait_seconds"
    assert found[f"{name}_count"] == {("q",): 3}
    assert found[f"{name}_sum"] == {("q",): 90_000}
    assert found[f"{name}_bucket"] == {("+Inf", "q"): 3} | {
        (str(bound), "q"): 1 if bound < 1 else 2 for bound in BOUNDS
    }
    assert found["rowline_job_run_seconds_count"] == {("q",): 2}, "what was released did not run to its end"


def test_open_streams_of_events_are_counted(own: Flask, settings: Settings) -> None:
    client = Client(own.test_client(), token=TOKEN)
    assert scraped(client)["rowline_event_streams"] == {(): 0}
    opened = [client.get("/queues/q/events") for _ in range(2)]
    assert scraped(client)["rowline_event_streams"] == {(): 2}
    for stream in opened:
        stream.close()
    found = scraped(client)
    assert (found["rowline_event_streams"], found["rowline_events_lagged_total"]) == ({(): 0}, {(): 0})


def test_what_is_not_folded_is_told_of_with_its_age(client: Client) -> None:
    client.add({"name": "n", "data": 1})
    found = scraped(client)
    assert found["rowline_deltas_unfolded"][()] >= 1
    assert found["rowline_fold_age_seconds"][()] > 0


def test_all_that_is_of_the_database_is_there_and_named_as_documented(client: Client, db: Database) -> None:
    worked(client)
    work.fold(db)
    text = client.get("/metrics").text
    for metric in (*OF_QUEUES, *OF_DATABASE):
        if metric is not metricnames.DRAIN:  # nothing has ended in a full minute
            assert f"# HELP {metric.name} {metric.about}\n# TYPE {metric.name} {metric.kind}\n" in text
    known = {metric.name.removesuffix("_total") for metric in METRICS}
    assert {family.name for family in text_string_to_metric_families(text)} <= known


def test_the_name_of_a_queue_is_read_back_whatever_it_is(client: Client) -> None:
    client.add({"name": "n", "data": 1}, queue="a%22%5C%7D%7B%3D%2C%23%E2%80%A8%C3%A9")
    assert (HOSTILE, "waiting") in scraped(client)["rowline_jobs"]


def test_requests_are_counted_by_route_method_and_status(own: Flask, settings: Settings) -> None:
    client = Client(own.test_client(), token=settings.tokens[0])
    client.add({"name": "n", "data": 1}, queue="some")
    client.get("/queues/some/jobs/absent")
    client.get("/nowhere")
    client.flask.open("/nowhere", method="BREW", headers=client.authorization)
    client.flask.get("/queues")
    found = scraped(client)["rowline_http_requests_total"]
    assert found == {
        ("POST", "/queues/{queue}/jobs", "200"): 1,
        ("GET", "/queues/{queue}/jobs/{job_id}", "404"): 1,
        ("GET", "unmatched", "404"): 1,
        ("_other", "unmatched", "404"): 1,
        ("GET", "/queues", "401"): 1,
    }
    again = scraped(client)
    assert again["rowline_http_requests_total"][("GET", "/metrics", "200")] == 1
    seconds = again["rowline_http_request_duration_seconds_bucket"]
    assert seconds[("+Inf", "POST", "/queues/{queue}/jobs", "200")] == 1


def test_no_byte_of_a_job_is_in_it_but_the_name_of_its_queue(client: Client, db: Database) -> None:
    opts = {"jobId": CANARY, "tags": [CANARY], "attempts": 1}
    client.add({"name": CANARY, "data": {CANARY: CANARY}, "opts": opts})
    claim = json.dumps({"worker": CANARY})
    [held] = answers.ok(client.post("/queues/q/jobs/claim", claim))["jobs"]
    client.post(f"/queues/q/jobs/{CANARY}/fail", json.dumps({"token": held["token"], "failedReason": CANARY}))
    work.fold(db)
    client.get(f"/queues/{CANARY}")  # names a queue that has nothing
    text = Client(client.flask, token=issue(db, "metrics").secret).get("/metrics").text
    assert "rowline_jobs_failed_total" in text
    assert CANARY not in text
    assert held["token"] not in text


def test_a_token_needs_the_scope_and_nothing_else(client: Client, db: Database) -> None:
    assert Client(client.flask, token=issue(db, "metrics").secret).get("/metrics").status_code == 200
    refused = Client(client.flask, token=issue(db, "jobs:read", "audit").secret).get("/metrics")
    assert (refused.status_code, (refused.json or {})["code"]) == (403, "forbidden")
    assert client.flask.get("/metrics").status_code == 401


def test_it_is_made_once_a_second_at_most_whoever_asks(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "FRESH_S", 3600.0)
    before = client.get("/metrics")
    client.add({"name": "n", "data": 1})
    assert client.get("/metrics").text == before.text
    assert before.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert before.headers["Cache-Control"] == "no-store"


def test_without_the_database_it_says_so_and_what_the_processes_know(settings: Settings) -> None:
    away = Database(settings, url="postgresql://127.0.0.1:1/x", size=1, name="rowline-test")
    client = Client(app.create(settings, away).test_client(), token=settings.tokens[0])
    client.get("/nowhere")
    found = scraped(client)
    away.close()
    assert found["rowline_database_up"] == {(): 0}
    assert ("GET", "unmatched", "404") in found["rowline_http_requests_total"]
    assert "rowline_jobs" not in found


def test_it_says_what_runs(client: Client) -> None:
    assert [*scraped(client)["rowline_build_info"].values()] == [1]


def test_who_waited_for_a_connection_is_counted(own: Flask, settings: Settings) -> None:
    client = Client(own.test_client(), token=settings.tokens[0])
    own.extensions[app.METRICS].note_pool_wait(0.2)
    found = scraped(client)
    assert found["rowline_pool_wait_seconds_count"] == {(): 1}
    assert found["rowline_pool_wait_seconds_sum"] == {(): 0.2}
