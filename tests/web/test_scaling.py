"""GET …/scaling, as what scales workers reads it."""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.domain.workers import Sighting, Way
from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client
from tests.support.tokens import issue
from tests.web.test_queue_workers import see

PAGE = Path(__file__).parents[2] / "app" / "docs" / "scaling.md"
JOB = {"name": "n", "data": 1}


def asked_by_keda(flask: FlaskClient, *, token: str) -> float:
    """Ask as KEDA's metrics-api scaler does by the page: the value at a place of the JSON, over the target, as HPA."""
    page = PAGE.read_text()
    trigger: dict[str, Any] = dict(re.findall(r'^ {8}(\w+): "([^"]+)"$', page, re.MULTILINE))
    assert set(trigger) == {"url", "valueLocation", "targetValue", "authMode"}
    assert trigger["authMode"] == "bearer"
    path = re.sub(r"^http://[^/]+", "", trigger["url"])
    value = answers.ok(flask.get(path, headers={"Authorization": f"Bearer {token}"}))
    for member in trigger["valueLocation"].split("."):
        value = value[member]
    assert type(value) is int  # a number: a string would be read as a quantity, anything else is an error there
    return value / float(trigger["targetValue"])


def test_keda_reads_how_many_replicas_there_should_be(client: Client, db: Database) -> None:
    token = issue(db, "jobs:read@mail").secret
    assert asked_by_keda(client.flask, token=token) == 0
    client.add(JOB, queue="mail")
    assert asked_by_keda(client.flask, token=token) == 1
    work.take(db, queue="mail")
    assert asked_by_keda(client.flask, token=token) == 1


def test_all_that_it_follows_from_is_told(client: Client, db: Database) -> None:
    see(db, Sighting("q", "crane:7", Way.PYTHON, 8, 3))
    empty = answers.ok(client.get("/queues/q/scaling"))
    assert empty == {
        "wanted": 0,
        "ready": 0,
        "active": 0,
        "dueSoon": 0,
        "arrivalPerS": 0.0,
        "servicePerS": 0.0,
        "workers": 1,
    }
    for _ in range(3):
        client.add(JOB)
    client.add(JOB | {"opts": {"delay": 30_000}}, JOB | {"opts": {"delay": 3_600_000}})
    work.take(db)
    found = answers.ok(client.get("/queues/q/scaling?target=60&perWorker=2"))
    assert {name: found[name] for name in ("wanted", "ready", "active", "dueSoon")} == {
        "wanted": 1,
        "ready": 2,
        "active": 1,
        "dueSoon": 1,
    }
    assert 0 <= found["oldestReadyS"] < 60
    assert answers.ok(client.get("/queues/q/scaling?target=10"))["dueSoon"] == 0
    assert answers.ok(client.get("/queues/q/scaling?target=86400&perWorker=10000"))["dueSoon"] == 2


@pytest.mark.parametrize(
    "query", ["target=0", "target=86401", "perWorker=0", "perWorker=10001", "perWorker=x", "target=1&target=2"]
)
def test_what_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert answers.problem(client.get(f"/queues/q/scaling?{query}"), 400)["details"]
