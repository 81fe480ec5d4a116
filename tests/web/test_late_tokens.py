"""Tokens that cease to be valid while a request of theirs is under way."""

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.infra.settings import Settings
from app.operations import tokens as operations
from app.operations.tokens import Issued
from app.postgres.database import Database, DatabaseError
from app.store import tokens as store
from app.web import app
from app.web import body as bodies
from app.web.worker import TOKENS
from tests.support import answers, databases
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.clusters import until
from tests.support.routes import BODIES, routes
from tests.support.tokens import issue

JOBS = "/queues/q/jobs"
READ = bodies.read
SENT = BODIES | {"schedules.put_schedule": {"every": 60_000, "template": {}}, "jobs.retry": {"data": 1}}
UNPARSED = {"jobs.promote", "jobs.cancel"}  # what comes as their body is thrown away


class Late(io.BytesIO):
    """A body, before whose first byte something happens."""

    def __init__(self, body: bytes, happens: Callable[[], object]) -> None:
        super().__init__(body)
        self.length, self.is_read, self._happens = len(body), False, happens

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.is_read:
            self.is_read = True
            self._happens()
        return super().read(size)


@pytest.fixture
def flask(settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application, which trusts nothing that it remembers."""
    monkeypatch.setattr("app.queries.tokens.TRUST_S", 0.0)
    return app.create(settings, db)


@pytest.fixture
def every_body_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.body.AT_ONCE_S", 0.0)


def sent(flask: Flask, method: str, path: str, issued: Issued, body: Late) -> TestResponse:
    headers = {"Authorization": f"Bearer {issued.secret}"}
    return flask.test_client().open(path, method=method, headers=headers, input_stream=body, content_length=body.length)


def unreachable(*_: object) -> None:
    raise DatabaseError("the database is away")


def revoking(db: Database, issued: Issued) -> Callable[[], object]:
    return partial(operations.revoke, db, actor=ACTOR, token_id=issued.token.id)


@pytest.mark.usefixtures("every_body_is_late")
def test_a_token_that_is_revoked_before_the_body_is_there_does_nothing_on_any_route(flask: Flask, db: Database) -> None:
    for name, method, path in list(routes(flask)):
        if method not in {"GET", "DELETE"}:
            issued = issue(db, "*")
            body = Late(json.dumps(SENT.get(name, {})).encode(), revoking(db, issued))
            answer = sent(flask, method, path, issued, body)

            assert body.is_read, name
            assert answers.problem(answer, 401)["code"] == "unauthorized"


@pytest.mark.usefixtures("every_body_is_late")
def test_a_token_that_is_revoked_while_its_long_body_waits_to_be_parsed_does_nothing_on_any_route(
    flask: Flask, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long bodies wait for one another: who sends many could go on long after the revocation."""
    waited: list[str] = []

    for name, method, path in list(routes(flask)):
        if method in {"GET", "DELETE"}:
            continue
        issued = issue(db, "*")

        def read_and_wait(*args: Any, limit: int, name: str = name, issued: Issued = issued, **options: Any) -> bytes:
            raw = READ(*args, limit=limit, **options)
            if limit == settings.max_body_bytes and name not in UNPARSED:  # short ones wait for nothing
                revoking(db, issued)()
                waited.append(name)
            return raw

        monkeypatch.setattr(bodies, "read", read_and_wait)
        token = {"token": "00000000-0000-4000-8000-000000000000"}
        sent_body = SENT.get(name, token | ({"failedReason": "x"} if name == "work.fail" else {}))
        answer = sent(flask, method, path, issued, Late(json.dumps(sent_body).encode(), bool))
        if name in waited:
            assert answers.problem(answer, 401)["code"] == "unauthorized", name

    ends = {"work.complete", "work.fail", "work.finish"}
    assert set(waited) == {"jobs.add", "jobs.change", "jobs.retry", "schedules.put_schedule"} | ends
    assert Client(flask.test_client(), token=settings.tokens[0]).page()["counts"]["waiting"] == 0


@pytest.mark.usefixtures("every_body_is_late")
def test_a_token_that_expires_before_the_body_is_there_does_nothing(
    flask: Flask, client: Client, db: Database, shared_url: str
) -> None:
    issued = issue(db, "jobs:add")  # without its end: a machine that is slow would issue none that is over
    databases.run(shared_url, "update rowline.tokens set expires_at = clock_timestamp() + interval '2 seconds'")
    [(ends_at,)] = databases.ask(shared_url, "select expires_at from rowline.tokens")
    body = Late(b'[{"name":"n","data":1}]', partial(until, lambda: datetime.now(UTC) > ends_at))

    assert answers.problem(sent(flask, "POST", JOBS, issued, body), 401)["code"] == "unauthorized"
    assert client.page()["counts"]["waiting"] == 0


@pytest.mark.usefixtures("every_body_is_late")
def test_a_late_body_of_a_token_that_is_valid_is_accepted(flask: Flask, settings: Settings, db: Database) -> None:
    body = b'[{"name":"n","data":1}]'

    assert sent(flask, "POST", JOBS, issue(db, "jobs:add"), Late(body, lambda: time.sleep(0))).status_code == 200
    assert Client(flask.test_client(), token=settings.tokens[0]).add({"name": "n", "data": 1})


def test_a_revoked_token_makes_no_known_client_where_no_route_would_check_it(
    flask: Flask, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client who is known has more of the time of a process than all strangers together."""
    issued, access = issue(db, "*"), flask.extensions[TOKENS]
    headers = {"Authorization": f"Bearer {issued.secret}"}
    environ = {"HTTP_AUTHORIZATION": headers["Authorization"]}
    assert flask.test_client().get(JOBS, headers=headers).status_code == 200
    assert access.knows(environ)
    with monkeypatch.context() as away:
        away.setattr(access, "_looked_up", unreachable)
        assert not access.knows(environ)
    assert access.knows(environ)

    revoking(db, issued)()
    assert not access.knows(environ)


def test_a_claim_that_does_not_wait_says_that_its_token_was_revoked(
    flask: Flask, client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.body.AT_ONCE_S", 60.0)
    client.add({"name": "n", "data": 1})
    issued = issue(db, "work")
    answer = sent(flask, "POST", f"{JOBS}/claim", issued, Late(b'{"count":1}', revoking(db, issued)))

    assert answers.problem(answer, 401)["code"] == "unauthorized"
    assert client.page()["counts"]["waiting"] == 1


def test_a_claim_that_waits_gets_nothing_once_tokens_could_not_be_read_for_too_long(
    flask: Flask, client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queries.tokens.KEPT_S", 0.0)
    program = Client(flask.test_client(), token=issue(db, "work").secret)

    def broken(*_args: Any) -> Any:
        raise DatabaseError("too many connections")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(program.post, f"{JOBS}/claim", json.dumps({"wait": 30_000}))
        until(lambda: "q" in flask.extensions["rowline-waiting"]._lines)  # noqa: SLF001
        monkeypatch.setattr(store, "changes", broken)
        monkeypatch.setattr(store, "find", broken)
        client.add({"name": "n", "data": 1})

        assert answers.problem(waiting.result(60), 503)["code"] == "database_unavailable"
    assert client.page()["counts"]["waiting"] == 1
