"""GET /queues, GET /queues/:queue, pause and resume, as a client sees them."""

import json
import time
from typing import Any

import psycopg
import pytest

from app.domain.queue import KNOWN_SINCE
from app.infra import release
from app.infra.settings import Settings
from app.operations import queues as operations
from app.postgres import schema
from app.postgres.database import Database, DatabaseError
from app.store import queues as store
from tests.support import answers, databases
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.tokens import issue

JOB = {"name": "n", "data": 1}
EMPTY = dict.fromkeys(("waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed"), 0)


def queue(client: Client, name: str = "q") -> dict[str, Any]:
    return dict(answers.ok(client.get(f"/queues/{name}")))


def listed(client: Client, query: str = "") -> list[str]:
    return [one["name"] for one in answers.ok(client.get(f"/queues?{query}"))["queues"]]


def claimed(client: Client, name: str = "q", **body: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answers.ok(client.post(f"/queues/{name}/jobs/claim", json.dumps(body)))["jobs"]
    return found


def test_a_queue_that_has_nothing_yet_has_zeros(client: Client) -> None:
    still = dict.fromkeys(("1m", "5m", "15m"), dict.fromkeys(("added", "completed", "failed"), 0))
    assert queue(client) == {
        "name": "q",
        "counts": EMPTY,
        "paused": False,
        "rates": still,
        "workers": 0,
        "settings": {},
    }
    assert answers.ok(client.get("/queues")) == {"queues": [], "count": 0, "start": 0, "length": 10}


def test_a_queue_tells_its_counts_its_oldest_ready_job_and_the_next_delayed_one(client: Client) -> None:
    first, *_ = client.add(JOB, JOB, JOB | {"opts": {"priority": 5}}, JOB | {"opts": {"delay": 60_000}})
    claimed(client)
    second = client.page(statuses="waiting")["jobs"][0]

    found = queue(client)
    assert found["counts"] == EMPTY | {"waiting": 1, "prioritized": 1, "delayed": 1, "active": 1}
    assert 0 <= found["oldestReadyOn"] - second["timestamp"] <= 1
    assert 0 <= found["nextDueOn"] - (first["timestamp"] + 60_000) <= 1


@pytest.mark.parametrize("opts", [{"lifo": True}, {"priority": 7}, {"priority": 7, "lifo": True}, {}])
def test_the_oldest_ready_job_is_the_oldest_whatever_its_place(client: Client, opts: dict[str, Any]) -> None:
    [old] = client.add(JOB | {"opts": opts})
    time.sleep(0.002)  # so that it is older by a millisecond
    client.add(JOB, JOB | {"opts": {"lifo": True}}, JOB | {"opts": {"priority": 1}})
    client.add(JOB | {"opts": opts})

    assert 0 <= queue(client)["oldestReadyOn"] - old["timestamp"] <= 1


def test_with_too_many_priorities_it_is_not_told_which_job_is_the_oldest(client: Client) -> None:
    def add(priorities: range) -> None:
        client.add(*[JOB | {"opts": {"priority": nth}} for nth in priorities])

    add(range(1, 1_001))
    assert "oldestReadyOn" in queue(client)
    add(range(1_001, 1_002))
    assert "oldestReadyOn" not in queue(client)


def test_queues_are_listed_by_name_page_by_page_with_those_that_set_something(client: Client) -> None:
    for name in ("b", "a", "c%d", "C"):
        client.add(JOB, queue=name.replace("%", "%25"))
    answers.ok(client.post("/queues/paused/pause", ""))

    assert listed(client) == ["C", "a", "b", "c%d", "paused"]
    page = answers.ok(client.get("/queues?start=1&length=2"))
    assert ([one["name"] for one in page["queues"]], page["count"], page["start"], page["length"]) == (
        ["a", "b"],
        5,
        1,
        2,
    )
    assert answers.ok(client.get("/queues?length=0"))["count"] == 5
    assert answers.ok(client.get("/queues?start=9")) == {"queues": [], "count": 5, "start": 9, "length": 10}


def test_a_pattern_finds_names_in_which_a_star_stands_for_anything(client: Client) -> None:
    for name in ("mail", "mail-a", "mail_b", "e-mail", "100%25", "back%5Cslash"):
        client.add(JOB, queue=name)

    assert listed(client, "pattern=mail") == ["mail"]
    assert listed(client, "pattern=mail*") == ["mail", "mail-a", "mail_b"]
    assert listed(client, "pattern=*mail*") == ["e-mail", "mail", "mail-a", "mail_b"]
    assert listed(client, "pattern=mail_*") == ["mail_b"]
    assert listed(client, "pattern=*%25") == ["100%"]
    assert listed(client, "pattern=back%5Cs*") == ["back\\slash"]
    assert listed(client, "pattern=MAIL") == listed(client, "pattern=") == []


def test_a_queue_whose_jobs_are_all_gone_is_listed_no_more(client: Client, db: Database, shared_url: str) -> None:
    client.add(JOB)
    assert listed(client) == ["q"]
    databases.run(
        shared_url, "delete from rowline.jobs; insert into rowline.job_deltas (queue, waiting) values ('q', -1)"
    )
    assert listed(client) == []


def test_a_list_shows_the_queues_that_the_token_may_read(client: Client, db: Database) -> None:
    for name in ("mail", "mail-a", "mailer", "other", "ma_l"):
        client.add(JOB, queue=name)

    def seen(*scopes: str) -> list[str]:
        return listed(Client(client.flask, token=issue(db, *scopes).secret))

    assert seen("jobs:read@mail-*", "jobs:read@other", "jobs:manage@mailer") == ["mail-a", "other"]
    assert seen("jobs:read@ma_l") == ["ma_l"]
    assert seen("jobs:read@none") == []
    assert len(seen("*")) == 5
    reader = Client(client.flask, token=issue(db, "jobs:read@none").secret)
    assert answers.ok(reader.get("/queues"))["count"] == 0


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("length=101", "length must be between 0 and 100"),
        ("start=-1", "start must be between 0 and 9007199254740992"),
        ("pattern=" + "a" * 101, "pattern must be at most 100 characters, not 101"),
        ("pattern=%00", "pattern must not contain NUL"),
        ("pattern=a&pattern=b", "pattern must not be given twice"),
    ],
)
def test_a_faulty_query_is_refused(client: Client, query: str, error: str) -> None:
    assert answers.error(client.get(f"/queues?{query}"), 400) == error


def test_a_paused_queue_hands_out_no_job_until_it_is_resumed(client: Client) -> None:
    client.add(JOB, JOB)
    [running] = claimed(client)
    paused = answers.ok(client.post("/queues/q/pause", json.dumps({"reason": "the provider is down"})))
    assert (paused["paused"], paused["pausedBy"], paused["pauseReason"]) == (True, "env:1", "the provider is down")
    assert abs(paused["pausedOn"] - time.time() * 1000) < 60_000
    assert "claimsInFlight" not in paused

    assert claimed(client) == []
    done = {"token": running["token"], "returnvalue": "done"}
    path = f"/queues/q/jobs/{running['job']['id']}/complete"
    assert answers.ok(client.post(path, json.dumps(done)))["status"] == "completed"
    finish = {"jobs": [], "claim": {"count": 5}}
    assert answers.ok(client.post("/queues/q/jobs/finish", json.dumps(finish)))["jobs"] == []
    client.add(JOB)
    assert queue(client)["counts"] == EMPTY | {"waiting": 2, "completed": 1}

    resumed = answers.ok(client.post("/queues/q/resume", ""))
    assert not {"pausedOn", "pausedBy", "pauseReason"} & set(resumed)
    assert not resumed["paused"]
    assert len(claimed(client, count=5)) == 2


def test_a_pause_holds_one_queue_and_no_other(client: Client) -> None:
    client.add(JOB, queue="other")
    answers.ok(client.post("/queues/q/pause", ""))
    assert len(claimed(client, "other")) == 1


def test_pausing_twice_keeps_the_first_moment_and_the_first_reason(client: Client) -> None:
    first = answers.ok(client.post("/queues/q/pause", json.dumps({"reason": "first"})))
    second = answers.ok(client.post("/queues/q/pause", json.dumps({"reason": "second"})))
    assert second == first
    answers.ok(client.post("/queues/q/resume", ""))
    answers.ok(client.post("/queues/q/resume", ""))
    again = answers.ok(client.post("/queues/q/pause", json.dumps({"reason": None})))
    assert "pauseReason" not in again
    assert again["pausedOn"] >= first["pausedOn"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("[]", "body must be an object"),
        ('{"reason":5}', "reason must be a string"),
        ('{"reason":"' + "a" * 501 + '"}', "reason must be at most 500 characters, not 501"),
        ('{"why":"x"}', "why is not known here"),
    ],
)
def test_a_faulty_pause_is_refused_and_pauses_nothing(client: Client, body: str, error: str) -> None:
    assert answers.error(client.post("/queues/q/pause", body), 400) == error
    assert not queue(client)["paused"]


def test_due_jobs_join_the_line_of_a_paused_queue_and_wait_there(client: Client) -> None:
    answers.ok(client.post("/queues/q/pause", ""))
    client.add(JOB | {"opts": {"delay": 1}})
    while queue(client)["counts"]["waiting"] == 0:
        assert claimed(client) == []
    answers.ok(client.post("/queues/q/resume", ""))
    assert len(claimed(client)) == 1


def test_a_pause_is_refused_while_an_older_program_is_connected(client: Client, db: Database, shared_url: str) -> None:
    client.add(JOB)
    with (
        databases.connected(shared_url, "rowline-worker 0016"),
        databases.connected(shared_url, "rowline-api"),
        databases.connected(shared_url, "somebody-else"),
        databases.connected(shared_url, "rowline-worker 9999"),
    ):
        said = answers.problem(client.post("/queues/q/pause", ""), 409)
    assert said["code"] == "older_nodes_run"
    assert said["error"].endswith(": rowline-api (before 0010): 1, rowline-worker 0016: 1")
    assert not queue(client)["paused"]
    assert len(claimed(client)) == 1


def test_a_pause_and_a_resume_are_in_the_audit(client: Client) -> None:
    for verb, body in (("pause", '{"reason":"r"}'), ("pause", ""), ("resume", ""), ("resume", "")):
        answers.ok(client.post(f"/queues/q/{verb}", body))
    entries = answers.ok(client.get("/audit"))["entries"]
    told = [(one["action"], one["queue"], one["affected"], one.get("before"), one.get("after")) for one in entries]
    pause = {"pausedBy": "env:1", "pauseReason": "r"}
    assert told == [
        ("queues.resume", "q", 0, None, None),
        ("queues.resume", "q", 1, pause, None),
        ("queues.pause", "q", 0, None, pause),
        ("queues.pause", "q", 1, None, pause),
    ]


def test_a_queue_that_sets_nothing_any_more_has_no_row(client: Client, shared_url: str) -> None:
    answers.ok(client.post("/queues/q/pause", ""))
    assert databases.ask(shared_url, "select count(*) from rowline.queue_settings") == [(1,)]
    answers.ok(client.post("/queues/q/resume", ""))
    assert databases.ask(shared_url, "select count(*) from rowline.queue_settings") == [(0,)]


def test_the_report_of_queues_tells_the_pause(client: Client, shared_url: str) -> None:
    client.add(JOB)
    answers.ok(client.post("/queues/q/pause", json.dumps({"reason": "why"})))
    query = "select queue, paused_at is not null, paused_by, pause_reason from report.queues"
    assert databases.ask(shared_url, query) == [("q", True, "env:1", "why")]


def test_a_pause_says_how_many_transactions_did_not_end(
    client: Client, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BARRIER_S", 0.2)
    with psycopg.connect(databases.as_owner(shared_url), application_name=release.named("rowline-worker")) as other:
        other.execute("select 1 from rowline.jobs")
        answer = answers.ok(client.post("/queues/q/pause", ""))
    assert (answer["paused"], answer["claimsInFlight"]) == (True, 1)


def test_a_pause_whose_claims_cannot_be_seen_is_of_unknown_outcome_and_stands(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_conn: object) -> set[str]:
        raise DatabaseError("away")

    monkeypatch.setattr(operations, "BARRIER_S", 0.1)
    monkeypatch.setattr(store, "transactions", away)
    said = answers.problem(client.post("/queues/q/pause", ""), 503)
    assert (said["code"], said["outcome"]) == ("outcome_unknown", "unknown")
    assert queue(client)["paused"]


def test_the_first_pause_keeps_older_programs_out_and_nobody_can_raise_that_bar_beyond_the_schema(own_url: str) -> None:
    oldest = "select oldest from rowline.alembic_version"
    [(before,)] = databases.ask(own_url, oldest)
    db = Database(Settings(database_url=own_url), url=own_url, size=1, name="rowline-api")
    operations.pause(db, actor=ACTOR, queue="q", reason=None)
    with db.begin() as conn:
        store.require_release(conn, "9999")
        store.require_release(conn, before)
    db.close()
    assert databases.ask(own_url, oldest) == [(KNOWN_SINCE,)]
    assert before < KNOWN_SINCE
    schema.downgrade(databases.as_owner(own_url), revision="0018")
    assert databases.ask(own_url, oldest) == [(KNOWN_SINCE,)]
    schema.upgrade(databases.as_owner(own_url))
    assert databases.ask(own_url, oldest) == [(KNOWN_SINCE,)]
    schema.downgrade(databases.as_owner(own_url), revision="0016")
    assert databases.ask(own_url, oldest) <= [("0016",)]
