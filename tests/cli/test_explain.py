"""`rowline explain` and `rowline scaling`, as a person calls them."""

import json

import pytest

from app.domain.audit import Actor
from app.infra.settings import Settings
from app.operations import jobs, queues
from app.postgres.database import Database
from tests.support import work
from tests.support.commands import said
from tests.support.jobs import new


@pytest.fixture
def mine(own_url: str) -> Database:
    """A queue with a job that is retried in an hour."""
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="rowline-test")
    jobs.submit_many(db, queue="mail", new=[new(custom_id="mine", attempts=2)])
    work.fail_next(db, queue="mail", reason="no \x1b[31manswer", delay_ms=3_600_000)
    return db


def test_a_job_and_a_queue_are_explained_in_the_words_of_the_api(own_url: str, mine: Database) -> None:
    found = json.loads(said(own_url, "explain", "mail", "mine", "--json"))
    assert [reason["code"] for reason in found["reasons"]] == ["backoff", "no_worker"]
    assert found["reasons"][0]["failedReason"] == "no \x1b[31manswer"
    shown = said(own_url, "explain", "mail", "mine")
    assert shown.startswith(found["sentence"])
    assert "rowline jobs promote mail mine" in shown
    assert "the failure was: no �[31manswer" in shown

    queues.pause(mine, actor=Actor(id="env:0", name=None, address=None, request_id=None), queue="mail", reason="a test")
    whole = said(own_url, "explain", "mail")
    assert "paused: the queue is paused since" in whole
    assert "by env:0 (a test)" in whole


def test_one_reason_is_said_once(own_url: str, mine: Database) -> None:
    jobs.submit_many(mine, queue="img", new=[new()])
    shown = said(own_url, "explain", "img")
    assert shown == json.loads(said(own_url, "explain", "img", "--json"))["sentence"]
    assert shown.count("no worker of the queue was seen") == 1


def test_a_job_that_there_is_not_is_told(own_url: str) -> None:
    assert "has no job" in said(own_url, "explain", "mail", "7", code=3)


def test_how_many_workers_a_queue_needs_is_told(own_url: str, mine: Database) -> None:
    jobs.submit_many(mine, queue="mail", new=[new()])
    found = json.loads(said(own_url, "scaling", "mail", "--target", "7200", "--per-worker", "1", "--json"))
    assert (found["wanted"], found["ready"], found["dueSoon"]) == (1, 1, 1)
    assert "wanted" in said(own_url, "scaling", "mail")
    said(own_url, "scaling", "mail", "--target", "0", code=2)
