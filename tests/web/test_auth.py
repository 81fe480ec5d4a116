"""Who is let in."""

import dataclasses
import uuid

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.infra.settings import Settings, SettingsError
from app.postgres.database import Database
from app.web import app
from app.web.auth import ATTEMPTS_REMEMBERED, Tokens
from tests.conftest import TOKEN
from tests.support import answers, work
from tests.support.client import Client
from tests.support.routes import routes


@pytest.fixture
def flask(settings: Settings, db: Database) -> Flask:
    return app.create(settings, db)


ROUTES = [("GET", "/queues/q/jobs"), ("POST", "/queues/q/jobs"), ("GET", "/queues/q/jobs/1")]


def _ask(client: Client, authorization: str | None, method: str = "GET", path: str = "/queues/q/jobs") -> TestResponse:
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.flask.open(path, method=method, data='[{"name":"n","data":1}]', headers=headers)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong"])
def test_every_route_of_jobs_needs_a_token(client: Client, authorization: str | None, method: str, path: str) -> None:
    answer = _ask(client, authorization, method, path)

    assert answers.problem(answer, 401)["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert sum(client.page()["counts"].values()) == 0


def test_no_route_does_anything_without_a_token_or_with_a_wrong_one(client: Client, flask: Flask) -> None:
    for _name, method, path in routes(flask):
        assert answers.problem(_ask(client, None, method, path), 401)["code"] == "unauthorized"
        assert _ask(client, "Bearer wrong", method, path).status_code in {401, 429}, path


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER {TOKEN}"])
def test_the_scheme_may_be_written_in_any_case(client: Client, authorization: str) -> None:
    assert _ask(client, authorization).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        *("", " ", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Token {TOKEN}", f"Bearer:{TOKEN}", f"Bearer{TOKEN}"),
        *(f"Bearer  {TOKEN}", f"Bearer\t{TOKEN}", f"Bearer {TOKEN} ", f"Bearer {TOKEN}\t", f"Bearer {TOKEN},{TOKEN}"),
        *(f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f'Bearer "{TOKEN}"', "Bearer *"),
        *("Bearer \xff", "Bearer \xf0\x9f\x98\x80", "Bearer \x00", "Bearer " + "x" * 8_192, f"Bearer {TOKEN}\x00"),
    ],
)
def test_nothing_but_a_known_token_is_let_in(client: Client, authorization: str) -> None:
    answer = client.flask.get("/queues/q/jobs", environ_overrides={"HTTP_AUTHORIZATION": authorization})

    assert answers.error(answer, 401) == answers.error(_ask(client, None), 401)


def test_any_of_the_tokens_lets_in(settings: Settings, db: Database) -> None:
    several = dataclasses.replace(settings, tokens=("one", "two", "three"))
    client = Client(app.create(several, db).test_client(), token="one")

    assert [_ask(client, f"Bearer {token}").status_code for token in ("one", "two", "three", "four")] == [200] * 3 + [
        401
    ]


def test_the_token_of_a_lease_is_no_token_of_the_api(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1})
    [lease] = work.take(db)

    assert _ask(client, f"Bearer {lease.token}").status_code == 401


def test_a_token_is_asked_for_before_anything_else_is_looked_at(client: Client) -> None:
    for path in ("/queues/%ff/jobs", "/queues//jobs", "/queues/q/jobs?start=x", "/queues/q/jobs/%00"):
        assert _ask(client, None, path=path).status_code == 401
    assert client.flask.post("/queues/q/jobs", data="[").status_code == 401


def test_no_answer_tells_a_missing_queue_from_one_that_is_there(client: Client) -> None:
    client.add({"name": "n", "data": 1})

    assert answers.error(_ask(client, None), 401) == answers.error(_ask(client, None, path="/queues/absent/jobs"), 401)


def test_one_token_of_an_attempt_takes_one_place_among_the_remembered_however_it_is_written(db: Database) -> None:
    tokens = Tokens(Settings(tokens=("a-token-of-the-api",)), db)
    one, other = f"Bearer {uuid.uuid4()}", f"Bearer {uuid.uuid4()}"
    tokens.remember(one)
    letters = [place for place, letter in enumerate(other) if letter.isalpha()]
    for nth in range(ATTEMPTS_REMEMBERED):
        raised = {place for bit, place in enumerate(letters) if nth >> bit & 1}
        tokens.remember("".join(letter.upper() if place in raised else letter for place, letter in enumerate(other)))

    assert [tokens.let_in(shown) for shown in (one, one.upper(), other, f"Bearer {uuid.uuid4()}")] == [True] * 3 + [
        False
    ]


def test_without_a_token_to_let_anybody_in_there_is_no_application(settings: Settings, db: Database) -> None:
    with pytest.raises(SettingsError, match="AUTH_TOKENS is not set"):
        app.create(dataclasses.replace(settings, tokens=()), db)
