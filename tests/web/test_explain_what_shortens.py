"""GET …/explain where no code says it all: what shortens the line, what comes after it, where to look further."""

import json

from app.domain.workers import Sighting, Way
from app.postgres.database import Database
from tests.support import receivers, work
from tests.support.client import Client
from tests.web.test_explain import HOUR_MS, add, codes, explain
from tests.web.test_queue_workers import see


def test_of_an_endpoint_a_higher_concurrency_shortens_the_line_and_more_dispatchers_do_not(
    client: Client, db: Database
) -> None:
    receivers.register(db, "https://example.com/")
    see(db, Sighting("q", "push:crane:8", Way.PUSH, 1, 1))
    add(client)
    work.take(db)
    second, last = add(client), add(client)
    for found in (explain(client), explain(client, last)):
        assert codes(found)[0] == "behind"
        assert "A higher concurrency of its endpoint shortens the line" in found["sentence"]
    assert explain(client, second)["ahead"]["jobs"] == 0
    see(db, Sighting("q", "crane:7", Way.PULL, 8, 0))
    assert "More workers shorten the line" in explain(client)["sentence"]


def test_a_paused_schedule_is_told_of_after_what_holds_jobs(client: Client, db: Database) -> None:
    see(db, Sighting("q", "crane:7", Way.PYTHON, 8, 3))
    body = json.dumps({"pattern": "0 3 * * *", "paused": True, "template": {}})
    assert client.put("/queues/q/schedulers/nightly", body).status_code == 201
    add(client)
    found = explain(client)
    assert (found["status"], codes(found)) == ("working", ["behind", "schedule_paused"])
    assert found["sentence"].startswith("Queue q is working: 1 job is ready")


def test_a_queue_all_of_whose_jobs_are_delayed_says_how_to_learn_why(client: Client) -> None:
    add(client, delay=HOUR_MS)
    assert "`rowline explain q ID`" in explain(client)["reasons"][0]["hint"]


def test_ready_jobs_that_nobody_claims_lead_to_the_workers_and_the_doctor(client: Client, db: Database) -> None:
    add(client)
    see(db, Sighting("q", "crane:7", Way.PULL, 8, 0))
    found = explain(client)
    assert codes(found) == ["behind"]
    assert "look whether its workers still run, at their logs, and at what `rowline doctor` finds" in found["sentence"]
