"""Migrations go up, down and up again, and many who start at once migrate once."""

import contextlib

import psycopg

from app.domain.states import Status
from app.infra import libpq, schema
from app.infra.database import Database
from app.infra.settings import Settings
from app.operations import maintain
from app.queries import health
from app.store import counts, tables
from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import counted

NONE = dict.fromkeys(Status, 0)
JOBS = """
insert into rowline.jobs (queue, number, name, status, priority, lifo, place, run_at, added_at, delay_ms, attempts,
    data, opts, attempts_started, processed_at, finished_at, result)
select queue, n, 'n', status, priority, false, n, now(), now(), 0, 1, '1', '{}',
    started, case when started = 1 then now() end, case when started = 1 then now() end,
    case when started = 1 then '1'::json end
from (values
    (1, 'a', 'waiting', 0, 0), (2, 'a', 'waiting', 0, 0), (3, 'a', 'waiting', 0, 0), (4, 'a', 'completed', 0, 1),
    (5, 'b', 'prioritized', 3, 0), (6, 'b', 'prioritized', 4, 0)
) as jobs (n, queue, status, priority, started)
"""


def test_the_code_names_the_newest_revision() -> None:
    assert schema.head() == tables.HEAD


def test_up_down_and_up_again_leaves_a_schema_at_head(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url)
        schema.downgrade(url, revision="base")
        with psycopg.connect(libpq.normal(url)) as connection:
            left = connection.execute("select tablename from pg_tables where schemaname = 'rowline'").fetchall()
        schema.upgrade(url)
        schema.upgrade(url)
        db = Database(Settings(), url=url, size=1, name="test")
        assert health.faults(db) == []
        db.close()
    assert left == [("alembic_version",)]


def test_five_who_start_at_once_migrate_once(server_url: str) -> None:
    with databases.fresh(server_url) as url, contextlib.ExitStack() as stack:
        argv = [*PYTHON, "-m", "app", "db", "upgrade"]
        starters = [stack.enter_context(Program(argv, env={"DATABASE_URL": url})) for _ in range(5)]
        assert [starter.end(within_s=30) for starter in starters] == [0] * 5
        with psycopg.connect(libpq.normal(url)) as connection:
            assert connection.execute("select version_num from rowline.alembic_version").fetchall() == [(tables.HEAD,)]


def test_jobs_that_were_there_before_counts_are_counted(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url, revision="0004")
        databases.run(url, JOBS)
        schema.upgrade(url)
        db = Database(Settings(), url=url, size=1, name="test")
        with db.read() as conn:
            assert (
                counts.count(conn, queue="a") == counted(conn, "a") == NONE | {Status.WAITING: 3, Status.COMPLETED: 1}
            )
            assert counts.count(conn, queue="b") == counted(conn, "b") == NONE | {Status.PRIORITIZED: 2}
        assert maintain.recount(db) == []
        db.close()


def test_a_schema_behind_the_code_is_not_ready_and_says_what_to_do(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        db = Database(Settings(), url=url, size=1, name="test")
        assert "run `rowline db upgrade`" in health.faults(db)[0]
        db.close()
