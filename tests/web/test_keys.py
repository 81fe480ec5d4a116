"""The keys of a queue over HTTP: set, shown, refused; and that jobs are found by them."""

import json
from typing import Any

import pytest

from app.domain.terms import KNOWN_SINCE
from app.postgres.database import Database
from tests.support import answers, databases, terms
from tests.support.client import Client
from tests.web.test_queue_settings import change
from tests.web.test_queues import queue


@pytest.fixture(autouse=True)
def as_before(shared_url: str) -> Any:
    yield
    databases.run(shared_url, "update rowline.alembic_version set oldest = '0005'")


def test_keys_are_set_shown_filled_and_taken_away(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": {"customer": {"id": 42}}})
    found = change(client, {"settings": {"keys": ["customer.id", "order"]}})
    assert found["settings"] == {"keys": ["customer.id", "order"]}
    waiting = [{"path": path, "status": "waiting", "scanned": 0} for path in ("customer.id", "order")]
    assert found["keys"] == queue(client)["keys"] == waiting
    terms.run(db)
    filled = [{"path": path, "status": "filled", "scanned": 1} for path in ("customer.id", "order")]
    assert queue(client)["keys"] == filled
    assert change(client, {"settings": {"keys": ["order"]}})["keys"] == filled[1:]
    none: Any
    for none in (None, []):
        left = change(client, {"settings": {"keys": none}})
        assert left["settings"] == {}
        assert "keys" not in left


@pytest.mark.parametrize(
    ("sent", "path", "message"),
    [
        ("customer.id", "keys", "must be an array of strings"),
        ([1], "keys[0]", "must be a string"),
        ([""], "keys[0]", "must not be empty"),
        (["a..b"], "keys", "'a..b' must be keys, or indexes of arrays, with dots between them"),
        (["a", "a"], "keys", "must be different paths"),
        (["x" * 256], "keys[0]", "must be at most 255 characters, not 256"),
        (["a", "b", "c", "d", "e", "f"], "keys", "must hold at most 5 strings"),
    ],
)
def test_what_cannot_be_a_key_is_refused(client: Client, sent: Any, path: str, message: str) -> None:
    body = json.dumps({"settings": {"keys": sent}})
    answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
    assert f"settings.{path} {message}" in answers.error(answer, 400)


def test_keys_are_refused_while_an_older_program_is_connected(client: Client, shared_url: str) -> None:
    body = json.dumps({"settings": {"keys": ["a"]}})
    with databases.connected(shared_url, "rowline-worker 0030"):
        answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
        assert "rowline-worker 0030: 1" in answers.error(answer, 409)
    assert change(client, {"settings": {"keys": ["a"]}})["settings"] == {"keys": ["a"]}
    assert databases.ask(shared_url, "select oldest from rowline.alembic_version") == [(KNOWN_SINCE,)]


def test_a_search_by_filled_keys_and_tags_looks_at_what_it_finds(client: Client, db: Database) -> None:
    for nth in range(30):
        client.add({"name": "n", "data": {"customer": {"id": nth % 3}}, "opts": {"tags": ["even"] if nth % 2 else []}})
    change(client, {"settings": {"keys": ["customer.id"]}})
    terms.run(db)
    with db.begin() as conn:
        terms.trust(conn)
    for path, query, number in (
        ("/queues/q/jobs", "data.customer.id=1", 10),
        ("/queues/q/jobs", "tag=even", 15),
        ("/jobs", "tag=even&data.customer.id=2", 5),
    ):
        found = answers.ok(client.flask.get(f"{path}?{query}&length=50", headers=client.authorization))
        assert (len(found["jobs"]), found["isComplete"]) == (number, True)
        assert found["scanned"] <= 10 + (number == 15) * 5


def test_jobs_are_found_by_keys_whatever_else_the_queue_has_when_they_are_added(client: Client, db: Database) -> None:
    job = {"name": "n", "data": {"a": 7}}
    for settings in (
        {"keys": ["a"]},
        {"defaults": {"attempts": 3}},
        {"defaults": None},
        {"keys": None},
        {"keys": ["a"]},
    ):
        change(client, {"settings": settings})
        for many in (1, 2, 1, 2):  # the second time by what the process remembers of the first
            added = client.add(*[job] * many)
            assert {one.get("effective", {}).get("attempts", 1) for one in added} == {
                3 if settings.get("defaults") else 1
            }
        terms.run(db)
    found = answers.ok(client.flask.get("/queues/q/jobs?data.a=7&length=100", headers=client.authorization))
    assert (len(found["jobs"]), found["isComplete"]) == (30, True)
