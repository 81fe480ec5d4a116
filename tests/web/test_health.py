"""Health: for load balancers, without a token."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from werkzeug.test import TestResponse

from app.infra import libpq
from app.infra.database import Database
from app.infra.settings import Settings
from app.store.tables import HEAD, UPGRADER_LOCK
from app.web import app
from tests.support import answers, databases
from tests.support.client import Client


@pytest.fixture
def ready(settings: Settings) -> Iterator[Callable[[str], TestResponse]]:
    """Ask an application on the database of a URL whether it is ready."""
    opened: list[Database] = []

    def ask(url: str) -> TestResponse:
        opened.append(Database(settings, url=url, size=1, name="rowline-test-health"))
        return app.create(settings, opened[-1]).test_client().get("/health/ready")

    yield ask
    for db in opened:
        db.close()


def test_a_node_says_that_it_lives_and_is_ready_without_a_token(client: Client) -> None:
    live, ready = (client.flask.get(f"/health/{which}") for which in ("live", "ready"))

    assert (live.status_code, live.json) == (200, {"status": "live"})
    assert (ready.status_code, ready.json) == (200, {"status": "ready"})
    assert ready.headers["X-Request-Id"]


def test_a_node_without_a_database_lives_but_is_not_ready(settings: Settings) -> None:
    db = Database(settings, url="postgresql://x@127.0.0.1:1/x", size=1, name="rowline-test-lost")
    flask = app.create(settings, db).test_client()

    said = answers.problem(flask.get("/health/ready"), 503)

    assert flask.get("/health/live").status_code == 200
    assert (said["code"], said["status"]) == ("not_ready", "not ready")


def test_a_node_that_is_not_ready_says_when_to_ask_again(ready: Callable[[str], TestResponse]) -> None:
    assert int(ready("postgresql://x@127.0.0.1:1/x").headers["Retry-After"]) >= 1


def test_a_database_without_the_schema_is_not_ready(server_url: str, ready: Callable[[str], TestResponse]) -> None:
    with databases.fresh(server_url) as url:
        error = answers.error(ready(url), 503)

    assert "run `rowline db upgrade`" in error


def test_a_schema_that_is_behind_is_not_ready(own_url: str, ready: Callable[[str], TestResponse]) -> None:
    databases.run(own_url, "update rowline.alembic_version set version_num = '0000'")

    assert "is at revision 0000" in answers.error(ready(own_url), 503)


def test_a_schema_that_is_ahead_is_ready_as_long_as_it_says_that_this_release_can_use_it(
    own_url: str, ready: Callable[[str], TestResponse]
) -> None:
    databases.run(own_url, f"update rowline.alembic_version set version_num = '9999', oldest = '{HEAD}'")
    assert ready(own_url).status_code == 200

    databases.run(own_url, "update rowline.alembic_version set oldest = '9998'")
    assert "serves programs written for 9998 or later" in answers.error(ready(own_url), 503)

    databases.run(own_url, "update rowline.alembic_version set oldest = null")
    assert "start a newer release" in answers.error(ready(own_url), 503)


def test_a_node_that_waits_for_a_migration_says_so(server_url: str, ready: Callable[[str], TestResponse]) -> None:
    with databases.fresh(server_url) as url, psycopg.connect(libpq.normal(url)) as upgrader:
        upgrader.execute("select pg_advisory_lock(%s)", [UPGRADER_LOCK])
        assert "this node waits for that" in answers.error(ready(url), 503)


def test_a_database_that_may_lose_what_it_acknowledged_is_not_ready(
    own_url: str, ready: Callable[[str], TestResponse]
) -> None:
    databases.run(own_url, f"alter database {urlsplit(own_url).path[1:]} set synchronous_commit = off")

    said = answers.problem(ready(own_url), 503)

    assert "synchronous_commit=off" in said["error"]
    assert said["faults"] == [said["error"]]
