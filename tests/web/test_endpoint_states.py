"""Which endpoints are switched off, since when and why; and switching one on."""

import json
from typing import Any

import pytest

from app.operations import endpoints as operations
from app.postgres.database import Database
from app.queries import endpoints
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.tokens import issue

URL = "https://example.com/jobs?key=k"
PATH = "/queues/q/endpoint"


def register(client: Client, queue: str = "q", **opts: Any) -> None:
    target = {"url": URL, "method": "put", "timeout": 9_000, "headers": {"X-Key": "hush-hush"}}
    body = {"queue": queue, "endpoint": target, "opts": opts}
    assert client.post("/workers", json.dumps(body)).status_code == 200


def switch_off(db: Database, queue: str = "q") -> None:
    revision = endpoints.revisions(db)[queue]
    assert operations.switch_off(db, queue=queue, revision=revision, reason="the endpoint answered 410 Gone")


def state(client: Client, queue: str = "q") -> dict[str, Any]:
    return dict(answers.ok(client.get(f"/queues/{queue}/endpoint")))


def test_an_endpoint_is_shown_with_all_but_what_may_be_a_secret(client: Client) -> None:
    opts: dict[str, Any] = {"concurrency": 4, "limiter": {"max": 7, "duration": 1_000}, "maxStalledCount": 2}
    register(client, **opts, removeOnComplete={"age": 60}, removeOnFail=False)
    found = state(client)
    expected = {"queue": "q", "url": URL, "method": "PUT", "timeout": 9_000, "seesPayload": True, "isOn": True}
    kept = {"removeOnComplete": {"age": 60}, "removeOnFail": False}
    assert found == expected | opts | kept | {"registeredOn": found["registeredOn"]}
    assert "hush" not in json.dumps(found)
    assert answers.ok(client.get("/endpoints"))["endpoints"] == [found]


def test_one_that_is_off_says_since_when_and_why_and_is_on_after_it_is_switched_on(
    client: Client, db: Database
) -> None:
    register(client)
    before = state(client)
    switch_off(db)
    off = state(client)
    assert (off["isOn"], off["switchedOffReason"]) == (False, "the endpoint answered 410 Gone")
    assert abs(off["switchedOffOn"] - before["registeredOn"]) < 600_000
    assert answers.ok(client.post(f"{PATH}/switch-on", "")) == before == state(client)
    [act] = answers.ok(client.get("/audit?action=workers.switch_on"))["entries"]
    assert (act["queue"], act["actor"], act["affected"]) == ("q", "env:1", 1)
    assert act["before"] == {"reason": "the endpoint answered 410 Gone"}


def test_one_that_was_switched_on_is_told_of_though_no_connection_for_reads_is_left(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client)
    before = state(client)
    switch_off(db)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", lambda _: pytest.fail("what was committed is read again"))
        assert answers.ok(client.post(f"{PATH}/switch-on", "")) == before
    assert state(client) == before


def test_one_that_is_on_stays_as_it_is_with_its_revision(client: Client, db: Database) -> None:
    register(client)
    before, revision = state(client), endpoints.revisions(db)["q"]
    assert answers.ok(client.post(f"{PATH}/switch-on", "")) == before
    assert endpoints.revisions(db)["q"] == revision, "its calls go on"
    [act] = answers.ok(client.get("/audit?action=workers.switch_on"))["entries"]
    assert act["affected"] == 0


def test_a_late_answer_to_a_call_from_before_does_not_switch_it_off_again(client: Client, db: Database) -> None:
    register(client)
    old = endpoints.revisions(db)["q"]
    switch_off(db)
    answers.ok(client.post(f"{PATH}/switch-on", ""))
    assert not operations.switch_off(db, queue="q", revision=old, reason="late")
    assert state(client)["isOn"]


def test_a_pause_that_it_asked_for_is_told_while_it_holds_and_stays(
    client: Client, db: Database, shared_url: str
) -> None:
    register(client)
    operations.pause(db, queue="q", revision=endpoints.revisions(db)["q"], pause_ms=60_000)
    until = state(client)["pausedUntil"]
    switch_off(db)
    assert answers.ok(client.post(f"{PATH}/switch-on", ""))["pausedUntil"] == until
    databases.run(shared_url, "update rowline.endpoints set paused_until = now() - interval '1 second'")
    assert "pausedUntil" not in state(client)


def test_a_queue_without_an_endpoint_is_a_404(client: Client) -> None:
    for answer in (client.get(PATH), client.post(f"{PATH}/switch-on", "")):
        assert answers.problem(answer, 404)["code"] == "worker_not_found"
    assert answers.ok(client.get("/audit"))["entries"] == []


def test_pages_of_endpoints_are_by_queue_and_by_pattern(client: Client, db: Database) -> None:
    for name in ("mail", "mail_2", "mailx2", "post"):
        register(client, name)
    switch_off(db, "mail_2")

    def listed(query: str) -> tuple[list[str], int]:
        found = answers.ok(client.get(f"/endpoints{query}"))
        return [one["queue"] for one in found["endpoints"]], found["count"]

    assert listed("") == (["mail", "mail_2", "mailx2", "post"], 4)
    assert listed("?pattern=mail*&start=1&length=1") == (["mail_2"], 3)
    assert listed("?pattern=mail_*") == (["mail_2"], 1), "no character is a wildcard but the star"
    assert listed("?start=9") == ([], 4)


@pytest.mark.parametrize("query", ["patern=x", "length=101", "start=-1", "pattern=%00"])
def test_a_query_that_means_nothing_is_refused(client: Client, query: str) -> None:
    answers.problem(client.get(f"/endpoints?{query}"), 400)


def test_a_token_sees_and_switches_on_the_endpoints_that_it_may_manage(client: Client, db: Database) -> None:
    for name in ("mail", "mailer", "post"):
        register(client, name)
        switch_off(db, name)
    program = Client(client.flask, token=issue(db, "endpoints:manage@mail", "endpoints:manage@po*").secret)
    found = answers.ok(program.get("/endpoints"))
    assert ([one["queue"] for one in found["endpoints"]], found["count"]) == (["mail", "post"], 2)
    for answer in (program.get("/queues/mailer/endpoint"), program.post("/queues/mailer/endpoint/switch-on", "")):
        assert answers.problem(answer, 403)["code"] == "forbidden"
    assert not state(client, "mailer")["isOn"]
    assert answers.ok(program.post("/queues/mail/endpoint/switch-on", ""))["isOn"]
