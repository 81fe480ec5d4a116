"""Migrations go up, down and up again with jobs in every status, from every revision, whoever kills whom on the way."""

import contextlib
import itertools
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy

from app.domain.states import Status
from app.infra import release
from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres import libpq, schema
from app.postgres.database import Database, DatabaseError
from app.postgres.schema import SchemaError
from app.queries import health
from app.store import counts
from tests.migrations import stored
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.clusters import PYTHON, Program, until
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
REVISIONS = [revision.name for revision in schema.revisions()]
MAKING = "select count(*) from pg_stat_progress_create_index where datname = current_database()"
INDEXED = """
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0001"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")
        op.execute("drop index concurrently if exists rowline.jobs_named")
        op.execute("create index concurrently jobs_named on rowline.jobs (queue, name)")


def downgrade():
    op.execute("drop index rowline.jobs_named")
"""
UPGRADE = "import pathlib, sys; from app.postgres import schema; schema.MIGRATIONS = pathlib.Path(sys.argv[1]); "
UPGRADE += "schema.upgrade(sys.argv[2])"


def revision_of(url: str) -> list[tuple[str]]:
    return databases.ask(url, "select version_num from rowline.alembic_version")


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """The migrations of a release to come, which makes an index on jobs."""
    migrations = Path(shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations"))
    (migrations / "versions" / "9999_named.py").write_text(INDEXED.format(head=release.HEAD))
    return migrations


def upgrader(migrations: Path, url: str) -> Program:
    """Start a process of that release which brings the schema to its head."""
    return Program([*PYTHON, "-c", UPGRADE, migrations, url])


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    db = Database(Settings(), url=url, size=1, name="test")
    try:
        yield db
    finally:
        db.close()


def test_the_code_names_the_newest_revision() -> None:
    assert schema.head() == release.HEAD


def test_a_migration_that_is_begun_follows_the_newest_revision_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = Path(shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations"))
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    schema.begin_revision("jobs_colour")
    assert schema.head() == f"{int(release.HEAD) + 1:04d}"
    newest = schema.revisions()[-1]
    assert (newest.step, newest.oldest) == ("expand", schema.revisions()[-2].oldest)


def test_jobs_of_every_revision_in_every_status_go_up_down_and_up_unchanged(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        before: list[tuple[Any, ...]] = []
        for revision in REVISIONS:
            schema.upgrade(url, revision=revision)
            assert revision_of(url) == [(revision,)]
            assert stored.kept(url) == before, f"up to {revision}"
            stored.put(url, queue=revision)
            before = stored.kept(url)
        assert len(before) == len(REVISIONS) * len(Status)
        for revision in reversed(REVISIONS):
            schema.downgrade(url, revision=revision)
            assert stored.kept(url) == before, f"down to {revision}"
        schema.upgrade(url)
        assert stored.kept(url) == before
        with opened(url) as db:
            assert health.faults(db) == []
            for revision in REVISIONS:
                taken = work.take(db, queue=revision, limit=10)
                assert {lease.job.custom_id for lease in taken} == {Status.WAITING, Status.PRIORITIZED}


def test_down_to_nothing_leaves_nothing(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url)
        schema.downgrade(url, revision="base")
        left = databases.ask(url, "select relname from pg_class where relnamespace = 'rowline'::regnamespace")
    assert set(left) == {("alembic_version",), ("alembic_version_pkc",)}


def test_ten_who_start_at_once_migrate_once_and_do_not_hold_up_an_index(server_url: str, next_release: Path) -> None:
    with databases.fresh(server_url) as url, contextlib.ExitStack() as stack:
        starters = [stack.enter_context(upgrader(next_release, url)) for _ in range(10)]
        assert [starter.end(within_s=60) for starter in starters] == [0] * 10, [one.output for one in starters]
        assert revision_of(url) == [("9999",)]
        with opened(url) as db:
            assert health.invalid_indexes(db) == []


def test_an_upgrade_that_loses_its_connection_at_any_statement_ends_well_when_run_again(server_url: str) -> None:
    left = 0

    def cut(_conn: object, cursor: psycopg.Cursor[Any], *_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            cursor.connection.close()

    with databases.fresh(server_url) as url:
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", cut)
        try:
            for statements in itertools.count(1):
                left = statements
                with contextlib.suppress(DatabaseError):
                    schema.upgrade(url)
                    break
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", cut)
        assert statements > 20
        assert revision_of(url) == [(release.HEAD,)]
        with opened(url) as db:
            assert (health.faults(db), health.invalid_indexes(db)) == ([], [])


def test_an_index_whose_making_was_killed_is_told_and_made_anew(server_url: str, next_release: Path) -> None:
    with databases.fresh(server_url) as url, opened(url) as db:
        schema.upgrade(url)
        with psycopg.connect(libpq.normal(url)) as writer:
            writer.execute("lock table rowline.jobs in row exclusive mode")  # as one who has just added a job
            with upgrader(next_release, url) as killed:
                until(lambda: databases.ask(url, MAKING)[0][0])
                killed.end(signal.SIGKILL)
            databases.run(url, MAKING.replace("count(*)", "pg_terminate_backend(pid)"))
        until(lambda: not databases.ask(url, MAKING)[0][0])
        assert health.invalid_indexes(db) == ["rowline.jobs_named"]

        with upgrader(next_release, url) as again:
            assert again.end() == 0, again.output
        assert (revision_of(url), health.invalid_indexes(db)) == ([("9999",)], [])


def test_an_upgrade_that_does_not_get_a_lock_lets_others_through_and_tries_again(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with databases.fresh(server_url) as url, ThreadPoolExecutor(1) as beside:
        schema.upgrade(url, revision="0002")
        with psycopg.connect(libpq.normal(url)) as dump:
            dump.execute("lock table rowline.jobs in access share mode")
            upgrade = beside.submit(schema.upgrade, url, revision="0003")
            until(lambda: "migration_gives_way" in caplog.messages)
            assert not upgrade.done()
        upgrade.result(timeout=60)
        assert revision_of(url) == [("0003",)]


def unread(url: str) -> list[tuple[str]]:
    """Return the indexes that no program reads of this release."""
    return databases.ask(
        url, "select indexname from pg_indexes where indexname in ('jobs_ready', 'jobs_delayed') order by indexname"
    )


BOTH = [("jobs_delayed",), ("jobs_ready",)]
OIDS = "select to_regclass('rowline.jobs_ready')::oid, to_regclass('rowline.jobs_delayed')::oid"


def test_indexes_that_only_older_programs_read_stay_while_one_is_connected_and_go_with_the_next_upgrade(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url, revision="0047")
        for older in ("rowline-api 0044", "rowline-worker"):
            with psycopg.connect(libpq.normal(url), application_name=older):
                schema.upgrade(url)
            assert unread(url) == BOTH
            assert caplog.messages.count("indexes_kept") == 1, caplog.messages
            caplog.clear()
        kept = databases.ask(url, OIDS)
        schema.downgrade(url, revision="0047")
        assert databases.ask(url, OIDS) == kept, "older programs read them meanwhile"
        with psycopg.connect(libpq.normal(url), application_name="rowline-api 0045"):
            schema.upgrade(url)
        assert unread(url) == []
        assert "indexes_kept" not in caplog.messages


def test_an_upgrade_does_not_wait_for_a_lock_to_drop_an_index_that_nothing_reads(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url)
        schema.downgrade(url, revision="0047")
        assert unread(url) == BOTH
        with psycopg.connect(libpq.normal(url)) as dump:
            dump.execute("lock table rowline.jobs in access share mode")
            schema.upgrade(url)
        assert (revision_of(url), unread(url)) == ([(release.HEAD,)], BOTH)
        assert caplog.messages.count("indexes_kept") == 1, caplog.messages
        schema.upgrade(url)
        assert unread(url) == []


def test_who_may_not_drop_an_index_can_still_run_an_upgrade_that_has_nothing_else_to_do(
    own_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    databases.run(own_url, "create index jobs_ready on rowline.jobs (queue)")

    schema.upgrade(own_url)

    assert unread(databases.as_owner(own_url)) == [("jobs_ready",)]
    assert caplog.messages.count("indexes_kept") == 1, caplog.messages


def test_a_way_down_that_ends_at_the_indexes_leaves_the_reports_of_its_revision(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url, revision="0048")
        databases.run(url, "create table rowline.jobs_delayed ()")
        reports = "select pg_get_viewdef('report.queues'::regclass), pg_get_viewdef('report.attention'::regclass)"
        before = databases.ask(url, reports)

        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="jobs_delayed"):
            schema.downgrade(url, revision="0047")

        assert (revision_of(url), databases.ask(url, reports)) == ([("0048",)], before)


def test_a_revision_that_does_not_exist_is_refused_in_words(server_url: str) -> None:
    with databases.fresh(server_url) as url, pytest.raises(SchemaError, match="8888"):
        schema.upgrade(url, revision="8888")


def test_the_upgrade_of_an_older_release_leaves_a_newer_schema_alone(own_url: str) -> None:
    databases.run(own_url, "update rowline.alembic_version set version_num = '9999'")
    schema.upgrade(own_url)
    assert revision_of(own_url) == [("9999",)]


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
        assert maintenance.recount(db, actor=ACTOR) == []
        db.close()


def test_what_happened_before_minutes_were_noted_is_told_by_the_jobs_that_are_kept(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        schema.upgrade(url, revision="0025")
        databases.run(url, JOBS)
        databases.run(url, "update rowline.jobs set added_at = now() - interval '5 days' where number <= 4")
        databases.run(url, "update rowline.jobs set finished_at = now() - interval '3 days' where number = 4")
        databases.run(url, "insert into rowline.job_minutes select now() - interval '1 hour', 'a', 7, 7, 7")
        told = "select sum(added)::int, sum(completed)::int, sum(failed)::int from rowline.job_hours"
        finished = "select completed, failed from report.throughput where per = 'day' order by from_at"
        for _ in range(2):
            schema.upgrade(url, revision="0026")
            assert databases.ask(url, told) == [(4, 1, 0)], "what is in a minute is not counted again"
            assert databases.ask(url, finished) == [(1, 0), (7, 7)]
            databases.run(url, "update rowline.alembic_version set version_num = '0025'")  # as a killed run leaves it
        databases.run(url, "update rowline.alembic_version set version_num = '0026'")
        schema.downgrade(url, revision="0025")
        assert databases.ask(url, finished) == [(1, 0)]


def test_a_schema_behind_the_code_is_not_ready_and_says_what_to_do(server_url: str) -> None:
    with databases.fresh(server_url) as url, opened(url) as db:
        assert "run `rowline db upgrade`" in health.faults(db)[0]
