"""Deduplication: what attacks on it found."""

import contextlib
import dataclasses
import json
from typing import Any

import pytest

from app.infra.settings import Settings
from app.operations import deduplication, manage, plans
from app.postgres.database import Database, DatabaseError
from app.store import deduplications
from app.store import jobs as store
from tests.support import answers, work
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.plans import run
from tests.web.test_deduplication import LAST, LONG_MS, add, job, listed, outcomes, post


def test_a_custom_id_that_an_array_sets_free_lets_no_job_past_its_own_id(client: Client) -> None:
    add(client, dedup_id="x", opts={"jobId": "h", "delay": LONG_MS})
    add(client, dedup_id="y")
    told = post(client, job(dedup_id="x", replace=True), job(dedup_id="y", opts={"jobId": "h"}))
    assert outcomes(told) == ["replaced", "deduplicated"]


def test_in_one_array_alone_a_custom_id_set_free_lets_no_job_past_its_own_id(client: Client) -> None:
    delayed = {"delay": LONG_MS}
    told = post(
        client,
        job(dedup_id="y"),
        job(dedup_id="x", opts=delayed | {"jobId": "h"}),
        job(dedup_id="x", opts=delayed, replace=True),
        job(dedup_id="y", opts={"jobId": "h"}),
    )
    assert outcomes(told) == ["created", "created", "replaced", "deduplicated"]


def test_a_duplicate_of_a_job_that_its_array_replaces_later_is_one(client: Client) -> None:
    add(client, dedup_id="x", opts={"jobId": "h", "delay": LONG_MS})
    told = post(client, job(dedup_id="y", opts={"jobId": "h"}), job(dedup_id="x", replace=True))
    assert outcomes(told) == ["duplicate", "replaced"]


def test_a_custom_id_that_is_removed_meanwhile_lets_no_job_past_its_id(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "c"}})
    add(client)
    numbers = store.numbers

    def and_removed(*args: Any, **asked: Any) -> Any:
        found = numbers(*args, **asked)
        monkeypatch.setattr(store, "numbers", numbers)
        manage.remove_job(db, actor=ACTOR, queue="q", job_id="c")
        return found

    monkeypatch.setattr(store, "numbers", and_removed)
    assert add(client, opts={"jobId": "c"})["outcome"] == "deduplicated"


def test_an_obliterate_in_steps_leaves_nothing_that_was_stored(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(client, 1, **LAST)
    work.take(db)
    assert add(client, 2, **LAST)["outcome"] == "stored"
    client.add(*({"name": "n", "data": 0} for _ in range(3)))
    monkeypatch.setattr(plans, "AT_ONCE", 2)
    step = plans.step

    def and_follow(*args: Any, **asked: Any) -> Any:
        """The process that makes the rounds looks between two steps."""
        done = step(*args, **asked)
        deduplication.follow(db)
        return done

    monkeypatch.setattr(plans, "step", and_follow)
    plan = answers.ok(client.post("/queues/q/obliterate", '{"force": true}'))
    run(db)  # what is left of it after five seconds
    assert answers.ok(client.get(f"/queues/q/plans/{plan['id']}"))["status"] == "applied"
    assert listed(client) == []


def test_an_id_that_somebody_has_locked_holds_up_no_other_queue(
    client: Client, db: Database, settings: Settings, shared_url: str
) -> None:
    for queue in ("a", "b"):
        client.add(job(1, keepLastIfActive=True), queue=queue)
        [lease] = work.take(db, queue=queue)
        client.add(job(2, keepLastIfActive=True), queue=queue)
        work.complete(db, lease, queue=queue)
    other = Database(dataclasses.replace(settings, lock_ms=50), url=shared_url, size=2, name="rowline-test")
    try:
        with db.begin() as conn:
            conn.exec_driver_sql("select from rowline.deduplications where queue = 'a' for update")
            with contextlib.suppress(DatabaseError):
                deduplication.follow(other)
            assert [one["data"] for one in client.page(queue="b", statuses="waiting")["jobs"]] == [2]
    finally:
        other.close()


def test_a_claim_that_met_a_locked_holder_is_woken(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(client, 1, ttl=LONG_MS, extend=True)
    settle, missed = deduplications.settle, []

    def meanwhile(*args: Any, **asked: Any) -> None:
        missed.append(work.take(db))  # a worker that comes now
        settle(*args, **asked)

    monkeypatch.setattr(deduplications, "settle", meanwhile)
    told: list[str] = []
    monkeypatch.setattr(Database, "notify", lambda _db, queue: told.append(queue))
    assert add(client, 2, ttl=LONG_MS, extend=True)["outcome"] == "deduplicated"
    assert missed == [[]]
    assert told == ["q"]


def test_a_repetition_gives_no_window_to_a_holder_without_one(client: Client) -> None:
    add(client, 1, **LAST)
    assert add(client, 2, ttl=LONG_MS, extend=True)["outcome"] == "deduplicated"
    assert "expiresOn" not in answers.ok(client.get("/queues/q/deduplication/d"))


def test_an_array_that_replaces_its_own_jobs_again_and_again_is_refused(client: Client) -> None:
    replacing = job(dedup_id="x", opts={"delay": LONG_MS}, replace=True)
    assert outcomes(post(client, *[replacing] * 101))[-1] == "replaced"
    refused = client.post("/queues/q/jobs", json.dumps([replacing] * 102))
    assert (refused.status_code, json.loads(refused.text)["details"][0]["path"]) == (400, "jobs")
    assert "send the last job of each" in refused.text


def test_who_follows_a_holder_that_was_retried_wakes_claims_that_skipped_it(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(client, 1, **LAST)
    [lease] = work.take(db)
    add(client, 2, **LAST)
    work.complete(db, lease)
    lock, missed = store.lock, []

    def retried(*args: Any, **asked: Any) -> Any:
        monkeypatch.setattr(store, "lock", lock)
        manage.retry(db, actor=ACTOR, queue="q", job_id=lease.job.id, reset_attempts=True)
        found = lock(*args, **asked)
        missed.append(work.take(db))
        return found

    monkeypatch.setattr(store, "lock", retried)
    told: list[str] = []
    monkeypatch.setattr(Database, "notify", lambda _db, queue: told.append(queue))
    assert deduplication.follow(db) == set()
    assert missed == [[]]
    assert told[-1] == "q"
