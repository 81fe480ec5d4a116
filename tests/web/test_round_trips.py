"""How often a request waits for PostgreSQL: each time costs as much as everything else that the request does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.postgres.prepared import PreparedConnection
from tests.support.client import Client

JOBS = "/queues/q/jobs"
JOB = {"name": "n", "data": 1}


class Asked:
    """Counts what is asked of PostgreSQL over the pool's connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._waits = 0
        wait = PreparedConnection.wait

        def counted(connection: PreparedConnection, *arguments: Any, **options: Any) -> Any:
            self._waits += 1
            return wait(connection, *arguments, **options)

        monkeypatch.setattr(PreparedConnection, "wait", counted)

    def by(self, send: Callable[[], TestResponse]) -> int:
        """Send a request until every statement is prepared, and count what the last one asks."""
        for _ in range(3):
            self._waits = 0
            answer = send()
            assert answer.status_code == 200, answer.text
        return self._waits


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


@pytest.mark.parametrize(
    ("jobs", "most"),
    [([JOB], 1), ([JOB] * 100, 1), ([JOB | {"opts": {"jobId": "own"}}], 5)],
    ids=["one", "a hundred", "an id that exists: begin, insert, its size, itself, commit"],
)
def test_adding_asks_once_unless_it_may_have_to_look(client: Client, asked: Asked, jobs: list[Any], most: int) -> None:
    assert asked.by(lambda: client.post(JOBS, json.dumps(jobs))) == most


def test_reading_asks_once(client: Client, asked: Asked) -> None:
    [job, _] = client.add(JOB, JOB | {"opts": {"jobId": "own"}})

    assert asked.by(lambda: client.get(f"{JOBS}/{job['id']}")) == 1
    assert asked.by(lambda: client.get(f"{JOBS}/own")) == 1
    assert asked.by(lambda: client.get(f"{JOBS}?length=100")) == 1


def test_claiming_asks_for_what_is_due_and_for_jobs(client: Client, asked: Asked) -> None:
    client.add(*[JOB] * 4)

    assert asked.by(lambda: client.post(f"{JOBS}/claim", "{}")) == 4, "begin, due, claim, commit"


def test_finishing_and_claiming_ask_for_no_more_than_that_and_the_ends(client: Client, asked: Asked) -> None:
    client.add(*[JOB] * 5)
    [lease] = json.loads(client.post(f"{JOBS}/claim", "{}").text)["jobs"]

    def finish() -> TestResponse:
        told = {"id": lease["job"]["id"], "token": lease["token"], "returnvalue": 1}
        answer = client.post(f"{JOBS}/finish", json.dumps({"jobs": [told], "claim": {"count": 1}}))
        lease.update(json.loads(answer.text)["jobs"][0])
        return answer

    assert asked.by(finish) == 5, "begin, complete, due, claim, commit"
