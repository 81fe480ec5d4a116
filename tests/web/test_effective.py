"""`effective` of a job: which options hold instead of those sent, after a change by hand."""

import json
from typing import Any

import pytest

from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client
from tests.web.test_defaults import HOUR_MS, set_defaults


def change(client: Client, job_id: str, **members: Any) -> dict[str, Any]:
    answer = client.flask.patch(f"/queues/q/jobs/{job_id}", data=json.dumps(members), headers=client.authorization)
    return dict(answers.ok(answer))


@pytest.mark.parametrize(
    ("opts", "members", "effective"),
    [
        ({}, {"attempts": 7}, {"attempts": 7}),
        ({"attempts": 7}, {"attempts": 7}, None),
        ({"attempts": 7.0}, {"attempts": 7}, None),
        ({}, {"attempts": 0}, None),
        ({"attempts": 3}, {"attempts": 1}, {"attempts": 1}),
        ({}, {"priority": 3, "lifo": True}, {"priority": 3, "lifo": True}),
        ({"priority": 3}, {"priority": 0}, {"priority": 0}),
        ({}, {"priority": 0, "lifo": False}, None),
        ({}, {"delay": HOUR_MS}, {"delay": HOUR_MS}),
        ({"delay": HOUR_MS}, {"delay": 0}, {"delay": 0}),
        ({"tags": ["a"]}, {"tags": []}, {"tags": []}),
        ({"tags": ["a"]}, {"tags": ["a"]}, None),
        ({}, {"name": "other", "data": 2}, None),
    ],
)
def test_what_a_change_makes_hold_stands_in_effective_where_it_differs(
    client: Client, opts: dict[str, Any], members: dict[str, Any], effective: Any
) -> None:
    job_id = client.add({"name": "n", "data": 1, "opts": opts})[0]["id"]

    job = change(client, job_id, **members)

    assert (job["opts"], job.get("effective")) == (opts, effective)
    assert client.job(job_id) == job


def test_a_change_and_a_default_stand_there_together_and_back_again(client: Client) -> None:
    set_defaults(client, {"attempts": 5, "timeout": 9_000})
    job_id = client.add({"name": "n", "data": 1, "opts": {"priority": 2}})[0]["id"]

    assert change(client, job_id, priority=4)["effective"] == {"attempts": 5, "timeout": 9_000, "priority": 4}
    assert change(client, job_id, attempts=6)["effective"] == {"attempts": 6, "timeout": 9_000, "priority": 4}
    assert change(client, job_id, priority=2)["effective"] == {"attempts": 6, "timeout": 9_000}
    assert change(client, job_id, attempts=1)["effective"] == {"timeout": 9_000}


@pytest.mark.parametrize(
    ("opts", "effective"), [({"delay": HOUR_MS}, {"delay": 0}), ({}, None)], ids=["sent", "default"]
)
def test_a_job_that_was_promoted_by_hand_has_no_delay_any_more(client: Client, opts: Any, effective: Any) -> None:
    set_defaults(client, {"delay": HOUR_MS})
    job_id = client.add({"name": "n", "data": 1, "opts": opts})[0]["id"]

    answer = client.flask.post(f"/queues/q/jobs/{job_id}/promote", headers=client.authorization)
    job = answers.ok(answer)

    assert (job["delay"], job["opts"], job.get("effective")) == (0, opts, effective)
    assert client.job(job_id) == job


def test_a_retry_that_allows_one_more_attempt_says_so(client: Client, db: Database) -> None:
    job_id = client.add({"name": "n", "data": 1, "opts": {"attempts": 1}})[0]["id"]
    work.fail_next(db)
    path = f"/queues/q/jobs/{job_id}/retry"

    assert answers.ok(client.post(path, '{"resetAttempts": false}'))["effective"] == {"attempts": 2}
    work.fail_next(db)
    assert answers.ok(client.post(path, ""))["effective"] == {"attempts": 2}
