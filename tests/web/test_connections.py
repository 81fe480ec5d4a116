"""Database connections: a request that took a second one while it holds one could wait for others that do the same."""

import dataclasses
import json
from collections.abc import Iterator

import pytest
from flask import Flask

from app.domain.tokens import Limits
from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from tests.support import answers
from tests.support.client import Client
from tests.support.routes import BODIES, routes
from tests.support.tokens import issue

LIMITS = Limits(requests_per_s=1_000_000, jobs_per_s=1_000_000, waiting_jobs=1_000_000)


@pytest.fixture
def single(settings: Settings, shared_url: str) -> Iterator[Flask]:
    """The application with one connection: a request that wants another beside it waits in vain, and is a 503."""
    short = dataclasses.replace(settings, pool_wait_ms=300)
    opened = Database(short, url=shared_url, size=1, name="rowline-test")
    yield app.create(short, opened)
    opened.close()


@pytest.mark.parametrize(("scope", "refused"), [("*", 0), ("dashboard", 403)])
def test_no_route_needs_two_connections_at_once(
    single: Flask, settings: Settings, db: Database, scope: str, refused: int
) -> None:
    owner = Client(single.test_client(), token=settings.tokens[0])
    program = Client(owner.flask, token=issue(db, scope, limits=LIMITS).secret)
    for name, method, path in list(routes(single)):
        for key in ({}, {"Idempotency-Key": name}):
            [job] = owner.add({"name": "n", "data": 1}, queue="mail")
            child = issue(db, "work@mail", limits=LIMITS).token.id
            real = path.replace("/jobs/absent00", f"/jobs/{job['id']}").replace("/tokens/absent00", f"/tokens/{child}")
            body = json.dumps(BODIES[name]) if name in BODIES else None
            answer = program.flask.open(real, method=method, data=body, headers=program.authorization | key)

            assert answer.status_code not in {401, 429, 500, 503}, f"{name} {key}: {answer.text}"
            assert not refused or answer.status_code == refused, name


def test_a_request_that_is_over_a_limit_gives_its_connection_back(single: Flask, db: Database) -> None:
    program = Client(single.test_client(), token=issue(db, "jobs:add", limits=Limits(waiting_jobs=1)).secret)
    body = json.dumps([{"name": "n", "data": 1}] * 2)

    for headers in ({}, {"Idempotency_Key": "k"}) * 2:
        assert answers.problem(program.post("/queues/mail/jobs", body, **headers), 429)["code"] == "over_quota"
    assert program.add({"name": "n", "data": 1})
