"""What a pooler takes from no session is the role's: as it is put together, and what it makes of sessions.

Real poolers are in tests/poolers (`make poolers`).
"""

from typing import Any

import psycopg
import pytest

from app.infra.settings import Settings
from app.postgres import libpq, poolers
from app.postgres.database import Database, session
from app.postgres.prepared import PreparedConnection
from app.queries import health
from tests.support import databases
from tests.support.clusters import PYTHON, Program

NAMES = ("statement_timeout", "search_path", "default_transaction_isolation", "enable_bitmapscan", "work_mem")


def with_options(url: str, options: str) -> str:
    return psycopg.conninfo.make_conninfo(databases.as_owner(url), options=options)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("-c a=1 -c b=2", {"a": "1", "b": "2"}),
        ("-ca=1 --b-c=2", {"a": "1", "b_c": "2"}),
        ("-c DateStyle=ISO -c datestyle=SQL", {"datestyle": "SQL"}),
        (r"-c a=read\ committed\\ -c b=", {"a": "read committed\\", "b": ""}),
        ("-c a=x-c=y -c b=1=2", {"a": "x-c=y", "b": "1=2"}),
    ],
)
def test_the_words_of_a_session_are_read_as_postgresql_reads_them(options: str, asked: dict[str, str]) -> None:
    assert libpq.asked(options) == asked


def test_a_role_that_was_given_the_settings_has_them_in_sessions_that_ask_for_none(own_url: str) -> None:
    url = "postgresql://x/x?options=-c%20work_mem%3D7MB"
    databases.run(own_url, poolers.script(session(Settings(statement_ms=7_000), url)))

    with psycopg.connect(databases.as_owner(own_url), options="") as asking_for_none:
        found = [asking_for_none.execute(f"show {name}").fetchone() for name in NAMES]
    assert found == [("7s",), ("pg_catalog,pg_temp",), ("read committed",), ("off",), ("7MB",)]


def test_the_command_prints_what_the_role_is_given(own_url: str) -> None:
    env = {"DATABASE_URL": databases.as_owner(own_url), "ROWLINE_LOCK_MS": "900"}
    with Program([*PYTHON, "-m", "app", "db", "pooler"], env=env) as program:
        assert program.end() == 0, program.output
    databases.run(own_url, program.output)
    with psycopg.connect(databases.as_owner(own_url)) as asking_for_none:
        assert asking_for_none.execute("show lock_timeout").fetchone() == ("900ms",)


def test_what_is_said_through_the_role_is_quoted(own_url: str) -> None:
    asked = {"application_name": "it's $rowline$ {} \\"}
    poolers.apply(databases.as_owner(own_url), asked, within_s=60)
    with psycopg.connect(databases.as_owner(own_url)) as asking_for_none:
        assert asking_for_none.execute("show application_name").fetchone() == (asked["application_name"],)


def test_without_a_pooler_nothing_is_asked_of_a_connection_but_the_first(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    execute = PreparedConnection.execute

    def noted(connection: PreparedConnection, query: Any, *rest: Any, **options: Any) -> Any:
        asked.append(query)
        return execute(connection, query, *rest, **options)

    monkeypatch.setattr(PreparedConnection, "execute", noted)
    db = Database(Settings(), url=own_url, size=3, name="single")
    with db.write_once(), db.write_once(), db.write_once():
        pass
    assert asked == ["select pg_backend_pid()"]
    assert health.faults(db) == []
    db.close()
