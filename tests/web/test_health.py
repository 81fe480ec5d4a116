"""Health: for load balancers, without a token."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from werkzeug.test import TestResponse

from app.infra.release import HEAD
from app.infra.settings import Settings
from app.postgres import libpq
from app.postgres.database import Database
from app.postgres.prepared import PreparedConnection
from app.queries import health
from app.store.tables import UPGRADER_LOCK
from app.web import app
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.clusters import until


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


@pytest.mark.parametrize("wanted", ["any", "read-write", "primary"])
def test_a_url_that_names_the_kind_of_its_server_serves_writes_and_reads(
    settings: Settings, own_url: str, wanted: str
) -> None:
    db = Database(settings, url=f"{own_url}&target_session_attrs={wanted}", size=2, name="rowline-test-kind")
    client = Client(app.create(settings, db).test_client(), token=settings.tokens[0])
    [job] = client.add({"name": "n", "data": 1})

    assert client.flask.get("/health/ready").status_code == 200
    assert client.job(job["id"]) == client.page()["jobs"][0]
    assert client.get(f"/queues/q/jobs/{job['id']}/attempts").status_code == 200
    db.close()


def test_a_node_is_ready_when_it_can_read_on_the_connections_that_serve_get(settings: Settings, own_url: str) -> None:
    db = Database(settings, url=own_url, size=2, name="rowline-test-reads")
    client = Client(app.create(settings, db).test_client(), token=settings.tokens[0])
    ours = "select pid from pg_stat_activity where application_name like 'rowline-test-reads %' order by pid"

    assert client.flask.get("/health/ready").status_code == 200
    opened = databases.ask(own_url, ours)
    assert client.page()["jobs"] == []
    assert databases.ask(own_url, ours) == opened, "the page came over a connection that had been tried"
    db.close()


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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://somebody:secret@127.0.0.1:1/somewhere",
        "postgresql://somebody:secret@nowhere.invalid:5433/somewhere",
        "postgresql://somebody@/somewhere?host=/some/path&port=5433",
        "own database",
    ],
)
def test_strangers_hear_no_place_or_name_of_the_database_and_the_log_has_the_cause(
    url: str, own_url: str, ready: Callable[[str], TestResponse], caplog: pytest.LogCaptureFixture
) -> None:
    asked = own_url.replace("rowline_test_", "somewhere_") if url == "own database" else url
    said = answers.problem(ready(asked), 503)

    assert said["error"] == "the database is not available: the log has the cause"
    assert said["faults"] == [said["error"]]
    [logged] = [record for record in caplog.records if record.msg == "not_ready"]
    assert (logged.levelno, bool(re.search("some|nowhere|127.0.0.1", vars(logged)["cause"]))) == (logging.WARNING, True)
    assert "secret" not in caplog.text


def test_however_many_ask_the_database_is_asked_once_a_second(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    wait = PreparedConnection.wait

    def counted(connection: PreparedConnection, *arguments: Any, **options: Any) -> Any:
        waits.append(time.monotonic())
        return wait(connection, *arguments, **options)

    monkeypatch.setattr(PreparedConnection, "wait", counted)
    client.flask.get("/health/ready")
    a_check, began_at = len(waits), time.monotonic()
    answers = {client.flask.get("/health/ready").status_code for _ in range(200)}

    assert answers == {200}
    assert len(waits) <= a_check * (2 + (time.monotonic() - began_at) / health.FRESH_S)


def test_who_asks_while_a_check_hangs_waits_for_its_outcome(settings: Settings, own_url: str) -> None:
    db = Database(settings, url=own_url, size=16, name="rowline-test-watch", limit_ms=60_000)
    flask = app.create(settings, db)
    ours = "select wait_event_type = 'Lock' from pg_stat_activity where application_name like 'rowline-test-watch %'"
    with psycopg.connect(databases.as_owner(own_url)) as holder, ThreadPoolExecutor(16) as pool:
        holder.execute("lock table rowline.alembic_version in access exclusive mode")
        asking = [pool.submit(flask.test_client().get, "/health/ready") for _ in range(16)]
        until(lambda: (True,) in databases.ask(own_url, ours))
        holder.rollback()
        answers = {asked.result().status_code for asked in asking}

    assert len(databases.ask(own_url, ours)) == 2, "one connection to write and one to read were enough for all"
    assert answers <= {200, 503}
    db.close()
