"""What is told to a client whose request for a plan is faulty."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client
from tests.support.tokens import issue

PATH = "/queues/q/plans"
MINE = {"data": {"customer.id": 42}}


def post(client: Client, path: str, body: Any) -> TestResponse:
    return client.post(path, json.dumps(body))


def test_a_plan_that_is_not_there_is_told_by_the_id_that_was_asked_for(client: Client) -> None:
    for path in (f"{PATH}/abc", f"{PATH}/abc/undo"):
        answer = client.get(path) if path.endswith("abc") else post(client, path, {})
        assert answers.error(answer, 404) == "queue 'q' has no plan 'abc'"


def test_a_get_in_the_place_of_a_post_is_told_to_be_a_post(client: Client) -> None:
    assert answers.error(client.get("/queues/q/drain"), 405) == "Method not allowed: GET /queues/q/drain: use POST"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "action is required"),
        ({"action": "burn", "filter": MINE}, "action must be one of remove, retry, promote, cancel, change"),
        ({"action": "retry"}, "filter is required"),
        ({"action": "retry", "filter": None}, "filter must not be null"),
        ({"action": "retry", "filter": {}}, "filter must name what to look for"),
        ({"action": "retry", "filter": {"statuses": [], "name": "n"}}, "filter.statuses must not be empty"),
        ({"action": "retry", "filter": {"ids": [], "name": "n"}}, "filter.ids must not be empty"),
        ({"action": "retry", "filter": {"tag": [], "name": "n"}}, "filter.tag must not be empty"),
        ({"action": "retry", "filter": {"data": {}, "name": "n"}}, "filter.data must not be empty"),
        ({"action": "retry", "filter": {"nme": "n"}}, "filter.nme is not known here"),
        ({"action": "retry", "filter": {"statuses": ["gone"]}}, "filter.statuses[0] must be one of"),
        ({"action": "retry", "filter": {"tag": "t"}}, "filter.tag must be an array of strings"),
        ({"action": "retry", "filter": {"since": "1"}}, "filter.since must be an integer"),
        ({"action": "retry", "filter": {"name": None}}, "filter.name must not be null"),
        ({"action": "retry", "filter": {"error": ""}}, "filter.error must not be empty"),
        (
            {"action": "retry", "filter": {"data": {"a": [1]}}},
            "filter.data.a must be a string, a number, true, false or null; for an",
        ),
        ({"action": "retry", "filter": {"statuses": "failed"}}, "filter.statuses must be an array of statuses"),
        ({"action": "retry", "filter": {"since": 1795855172}}, "filter.since is in ms since the epoch; this looks"),
        ({"action": "retry", "filter": {"finishedUntil": "x"}}, "filter.finishedUntil must be an integer: ms since"),
        ({"action": "retry", "filter": {"data": {"a..b": 1}}}, "filter.data has a path that must be keys"),
        ({"action": "change", "filter": MINE}, "change must name what to change"),
        ({"action": "change", "filter": MINE, "change": {"data": 1}}, "change.data is not known here"),
        ({"action": "change", "filter": MINE, "change": {"priority": -1}}, "change.priority must be between"),
        ({"action": "retry", "filter": MINE, "change": {"priority": 1}}, "change must not be there"),
        ({"action": "retry", "filter": MINE, "when": 1}, "when is not known here"),
    ],
)
def test_a_bad_plan_is_refused_with_the_fault(client: Client, body: Any, said: str) -> None:
    assert answers.error(post(client, PATH, body), 400).startswith(said)
    assert answers.ok(client.get(PATH))["plans"] == []


@pytest.mark.parametrize("number", ["1e2", "1.50", "12345678901234567890", "-0"])
def test_a_number_in_the_data_is_compared_as_it_was_written(client: Client, number: str) -> None:
    answers.ok(client.post("/queues/q/jobs", f'[{{"name": "n", "data": {{"v": {number}}}}}]'))
    found = answers.ok(client.get(f"/queues/q/jobs?data.v={number}"))["jobs"]
    body = f'{{"action": "remove", "filter": {{"data": {{"v": {number}}}}}}}'
    assert (len(found), answers.ok(client.post("/queues/q/plans", body))["matched"]) == (1, 1)


def test_the_audit_hides_the_fingerprint_of_a_plan_as_the_plan_does(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1})
    work.fail_next(db, reason="ValueError: secret word")
    wanted = answers.ok(client.get("/queues/q/failures"))["groups"][0]["fingerprint"]
    answers.ok(client.post("/queues/q/plans", json.dumps({"action": "retry", "filter": {"fingerprint": wanted}})))
    blind = Client(client.flask, token=issue(db, "audit").secret)
    assert wanted not in blind.get("/audit").text
