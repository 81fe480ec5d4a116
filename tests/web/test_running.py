"""GET /running: the jobs that run now."""

import json
from typing import Any

import pytest

from app.postgres.database import Database
from app.queries import running
from tests.support import answers
from tests.support.client import Client
from tests.support.tokens import issue


def claim(client: Client, queue: str, worker: str = "w") -> dict[str, Any]:
    client.add({"name": "n", "data": {"secret": "canary"}}, queue=queue)
    [lease] = answers.ok(client.post(f"/queues/{queue}/jobs/claim", json.dumps({"worker": worker})))["jobs"]
    return dict(lease)


def listed(client: Client, query: str = "") -> dict[str, Any]:
    return dict(answers.ok(client.get(f"/running{query}")))


def test_those_that_run_longest_come_first_with_their_leases(client: Client) -> None:
    first, second = claim(client, "zoo", "crane:1"), claim(client, "mail")
    client.add({"name": "waits", "data": 1})
    by = {"Authorization": f"Bearer {first['token']}"}
    progress = f"/queues/zoo/jobs/{first['job']['id']}/progress"
    assert client.flask.post(progress, data="40", headers=by).status_code == 200
    answers.ok(client.post(f"/queues/mail/jobs/{second['job']['id']}/cancel", ""))

    found = listed(client)
    assert {name: value for name, value in found.items() if name != "jobs"} == {
        "count": 2,
        "start": 0,
        "length": 10,
        "isComplete": True,
    }
    longest, other = found["jobs"]
    assert {name: longest[name] for name in ("queue", "id", "name", "attempt", "worker", "progress")} == {
        "queue": "zoo",
        "id": first["job"]["id"],
        "name": "n",
        "attempt": 1,
        "worker": "crane:1",
        "progress": 40,
    }
    assert longest["startedOn"] == first["job"]["processedOn"]
    assert longest["leaseUntil"] > longest["startedOn"]
    assert "cancelRequestedOn" not in longest
    assert other["cancelRequestedOn"] >= other["startedOn"]
    assert listed(client, "?start=1&length=1")["jobs"] == [other]
    assert [job["queue"] for job in listed(client, "?queue=zoo")["jobs"]] == ["zoo"]
    assert listed(client, "?queue=none") == found | {"jobs": [], "count": 0}
    assert "canary" not in json.dumps(found)


def test_progress_that_is_no_number_is_contents_and_not_there(client: Client) -> None:
    lease = claim(client, "q")
    by = {"Authorization": f"Bearer {lease['token']}"}
    path = f"/queues/q/jobs/{lease['job']['id']}/progress"
    assert client.flask.post(path, data='{"secret": "canary"}', headers=by).status_code == 200
    [job] = listed(client)["jobs"]
    assert "progress" not in job


def test_a_token_sees_the_queues_that_it_may_read(client: Client, db: Database) -> None:
    claim(client, "mail")
    claim(client, "mine-1")
    theirs = Client(client.flask, token=issue(db, "jobs:read@mine*").secret)
    assert [job["queue"] for job in listed(theirs)["jobs"]] == ["mine-1"]
    assert answers.problem(theirs.get("/running?queue=mail"), 403)["code"] == "forbidden"


@pytest.mark.parametrize(
    "query", ["?queue=", "?queue=..", "?queue=a%00", "?length=101", "?since=1", "?queue=a&queue=b"]
)
def test_what_is_no_query_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/running{query}").status_code == 400


def test_more_than_are_looked_at_are_told_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        claim(client, "q")
    monkeypatch.setattr(running, "LOOKED_MAX", 2)
    for query in ("", "?queue=q"):
        found = listed(client, query)
        assert (len(found["jobs"]), found["count"], found["isComplete"]) == (2, 2, False)
