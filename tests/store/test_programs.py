"""Whoever looks sees which programs are connected, of which release."""

from contextlib import ExitStack, closing
from pathlib import Path

import psycopg

from app.domain.programs import SERVING, Program
from app.infra import release
from app.infra.settings import Settings
from app.postgres import libpq
from app.postgres.database import Database
from app.queries import health
from tests.support import databases, raw, receivers
from tests.support.clusters import until
from tests.support.workers import WorkerProgram, written


def test_the_programs_that_serve_are_listed_by_name_and_release(own_url: str, tmp_path: Path) -> None:
    handlers = written(tmp_path, "@rowline.handler('n')\ndef work(job):\n    return 1\n")
    db = Database(Settings(), url=own_url, size=1, name="rowline-test")
    with ExitStack() as stack:
        stack.enter_context(raw.server(own_url))
        stack.enter_context(receivers.dispatcher(own_url))
        stack.enter_context(WorkerProgram(own_url, handlers))
        until(lambda: {one.name for one in health.connected(db)} == set(SERVING))
        assert {one.release for one in health.connected(db)} == {release.HEAD}
    db.close()


CALLS = ("rowline-worker", "rowline-api 0010", "rowline-api 0010", "rowline-api 0012", "rowline-report", "psql")


def test_connections_are_counted_by_name_and_release_and_those_of_others_are_not(own_url: str) -> None:
    db = Database(Settings(), url=own_url, size=1, name="rowline-test")
    with ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(psycopg.connect(databases.as_owner(own_url), application_name=name))
        assert health.connected(db) == [
            Program(name="rowline-api", release="0010", connections=2),
            Program(name="rowline-api", release="0012", connections=1),
            Program(name="rowline-worker", release="", connections=1),
        ]
    db.close()


def test_whoever_looks_sees_what_programs_of_another_role_are_called(own_url: str) -> None:
    """What else they do is hidden from it."""
    with ExitStack() as stack:
        for name in ("rowline-api", f"rowline-worker {release.HEAD}"):
            stack.enter_context(psycopg.connect(databases.as_owner(own_url), application_name=name))
        looking = stack.enter_context(psycopg.connect(libpq.normal(own_url), autocommit=True))
        seen = looking.execute(
            "select application_name, query from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and application_name <> '' order by 1"
        ).fetchall()
        assert seen == [
            (name, "<insufficient privilege>") for name in ("rowline-api", f"rowline-worker {release.HEAD}")
        ]
        db = stack.enter_context(closing(Database(Settings(), url=own_url, size=1, name="rowline-test")))
        assert [(one.name, one.connections) for one in health.connected(db)] == [
            ("rowline-api", 1),
            ("rowline-worker", 1),
        ]
