"""What changes while sessions are open, which keep what they were opened with: they are replaced when that is wrong."""

import json
from collections.abc import Iterator

import pytest

from app.infra.settings import Settings
from app.postgres.database import Database, DatabaseError
from app.queries import health
from app.store.statements import Statement
from app.web import app
from tests.support import databases, work
from tests.support.client import Client
from tests.support.clusters import until
from tests.support.databases import altered

TOKEN = "a-token"
READ_ONLY = {"default_transaction_read_only": "on"}
show = Statement("show", "select current_setting(:name)")
whoever = pytest.mark.parametrize("whose", ["database", "role"])


@pytest.fixture
def pooled(own_url: str) -> Iterator[Database]:
    opened = Database(Settings(), url=own_url, size=4, name="rowline-test-changed")
    yield opened
    opened.close()


@pytest.fixture
def program(pooled: Database) -> Client:
    return Client(app.create(Settings(tokens=(TOKEN,)), pooled).test_client(), token=TOKEN)


def add(client: Client) -> int:
    return client.post("/queues/q/jobs", json.dumps([{"name": "n", "data": 1}])).status_code


@whoever
def test_a_database_that_was_read_only_takes_jobs_as_soon_as_it_may(
    own_url: str, program: Client, pooled: Database, whose: str
) -> None:
    altered(own_url, whose, READ_ONLY)
    with pooled.begin(), pooled.begin(), pooled.begin(), pooled.begin():
        pass  # four sessions wait in the pool, and each cannot write
    assert [add(program), add(program)] == [503, 503]
    assert program.page()["jobs"] == [], "reads are served"
    with pooled.begin(), pooled.begin(), pooled.begin(), pooled.begin():
        pass

    altered(own_url, whose, dict.fromkeys(READ_ONLY))

    assert [add(program), add(program)] == [200, 200]
    assert len(work.take(pooled, limit=2)) == 2


@whoever
def test_a_node_whose_database_was_read_only_is_ready_as_soon_as_it_may_be_though_nobody_writes(
    own_url: str, program: Client, whose: str
) -> None:
    altered(own_url, whose, READ_ONLY)
    assert program.flask.get("/health/ready").status_code == 503
    altered(own_url, whose, dict.fromkeys(READ_ONLY))
    until(lambda: program.flask.get("/health/ready").status_code == 200, within_s=60)
    assert add(program) == 200


@whoever
def test_sessions_that_were_opened_before_durability_was_turned_off_hide_it_from_nobody(
    own_url: str, pooled: Database, whose: str
) -> None:
    watch = health.Watch(pooled)
    assert watch.faults() == []
    altered(own_url, whose, {"synchronous_commit": "off"})
    until(lambda: "synchronous_commit=off" in str(watch.faults()), within_s=60)
    altered(own_url, whose, {"synchronous_commit": None})
    until(lambda: watch.faults() == [], within_s=60)
    with pooled.begin() as conn:
        assert show.rows(conn, name="synchronous_commit") == [("on",)]


def test_a_session_of_another_role_is_replaced_when_it_is_refused(own_url: str) -> None:
    """As after `alter role … set role`, which a session takes once, when it is opened."""
    url = databases.as_owner(own_url)
    altered(url, "role", {"role": "rowline_report"})
    db = Database(Settings(), url=url, size=1, name="rowline-test-changed")
    with pytest.raises(DatabaseError, match="permission denied"):
        work.take(db)
    with db.begin():
        pass
    altered(url, "role", {"role": None})
    assert work.take(db) == []
    db.close()
