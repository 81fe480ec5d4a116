"""The roles of the database: each may do its work, and nothing else. The whole suite runs as the role of run time."""

import re
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from app.infra import release
from app.infra.settings import Settings
from app.operations import roles
from app.postgres import libpq, schema
from app.postgres.database import Connection, Database
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import insert, new

VIEWS = "select relname from pg_class where relnamespace = 'report'::regnamespace and relkind = 'v' order by relname"
TABLES = "select relname from pg_class where relnamespace = 'rowline'::regnamespace and relkind = 'r'"
DDL = (
    *("create table rowline.mine (a int)", "create table public.mine (a int)", "create schema mine"),
    *("alter table rowline.jobs add column a int", "drop table rowline.jobs", "truncate rowline.jobs"),
    *("create index on rowline.jobs (name)", "drop index rowline.jobs_next", "create role mine"),
    *("create view report.mine as select 1", "drop view report.jobs", "drop function rowline.enqueue"),
    *("update rowline.alembic_version set version_num = ''", "alter sequence rowline.job_numbers restart"),
)


def connected(url: str, role: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(databases.as_owner(url), autocommit=True)
    connection.execute(f"set role {role}")
    return connection


@pytest.fixture
def roled_url(own_url: str) -> str:
    """A database of its own on which the script ran: what is the database's own is not copied from the template."""
    db = Database(Settings(), url=databases.as_owner(own_url), size=1, name="test")
    roles.apply(db, actor=ACTOR)
    db.close()
    return own_url


@pytest.fixture
def filled(db: Database, shared_url: str) -> str:
    """A database in which there is something to read."""
    with db.begin() as conn:
        insert(conn, new())
    return shared_url


def with_option(url: str, option: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options={quote(option)}"


def test_the_service_under_test_is_the_role_of_run_time(conn: Connection) -> None:
    assert conn.exec_driver_sql("select current_user").scalar_one() == "rowline_runtime"
    assert conn.exec_driver_sql("select to_regclass('jobs')::text").scalar_one() == "jobs", "the path leads astray"


@pytest.mark.parametrize("statement", DDL)
def test_the_role_of_run_time_changes_no_schema(filled: str, statement: str) -> None:
    with connected(filled, "rowline_runtime") as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)


def test_the_role_of_reports_reads_every_view_and_no_table(filled: str) -> None:
    with connected(filled, "rowline_report") as connection:
        for (view,) in connection.execute(VIEWS).fetchall():
            connection.execute(f'select * from report."{view}"')
        assert connection.execute("select data::text from report.jobs").fetchall() == [("1",)]
        for (table,) in databases.ask(filled, TABLES):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(f"select 1 from rowline.{table}")


@pytest.mark.parametrize("role", ["rowline_report", "rowline_report_public"])
@pytest.mark.parametrize(
    "statement",
    [
        "delete from report.jobs",
        "update report.jobs set name = 'x'",
        "insert into report.jobs (queue) values ('q')",
        "select rowline.enqueue('q', 'n', '1')",
        "create table report.mine (a int)",
    ],
)
def test_the_roles_of_reports_change_nothing(filled: str, role: str, statement: str) -> None:
    with connected(filled, role) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)


def test_the_public_role_sees_everything_but_data_progress_results_and_logs(filled: str) -> None:
    with connected(filled, "rowline_report_public") as connection:
        for (view,) in connection.execute(VIEWS).fetchall():
            if view not in {"jobs", "logs", "plans"}:
                connection.execute(f'select * from report."{view}"')
        assert connection.execute("select id, status, opts::text from report.jobs").fetchall()
        connection.execute("select id, action, change from report.plans")
        for hidden in (
            "data from report.jobs",
            "progress from report.jobs",
            "result from report.jobs",
            "1 from report.logs",
            "filter from report.plans",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(f"select {hidden}")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("select 1 from report.jobs where data ->> 'customer' = 'ada'")


def test_what_the_public_role_could_see_it_cannot_any_more_once_the_roles_are_made_again(roled_url: str) -> None:
    databases.run(databases.as_owner(roled_url), "grant select on report.plans to rowline_report_public")
    db = Database(Settings(), url=databases.as_owner(roled_url), size=1, name="test")
    roles.apply(db, actor=ACTOR)
    db.close()

    with connected(roled_url, "rowline_report_public") as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("select filter from report.plans")


def test_who_may_add_jobs_in_sql_may_do_that_alone(filled: str) -> None:
    with connected(filled, "rowline_enqueue") as connection:
        connection.execute("select rowline.enqueue('q', 'n', '1')")
        connection.execute("select rowline.enqueue_many('q', '[]')")
        parts = [f"select rowline.{part}('q', '{{}}', true)" for part in ("enqueue_store", "enqueue_add")]
        for forbidden in ("select 1 from rowline.jobs", *parts):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(forbidden)


def test_sessions_of_reports_have_their_own_time_outs(roled_url: str) -> None:
    found = databases.ask(
        roled_url,
        "select s.setrole::regrole::text, unnest(s.setconfig) from pg_db_role_setting as s "
        "where s.setdatabase = (select oid from pg_database where datname = current_database()) order by 1, 2",
    )
    limits = [
        *("default_transaction_read_only=on", "idle_in_transaction_session_timeout=10s", "lock_timeout=1s"),
        *("search_path=report", "statement_timeout=30s"),
    ]
    for role in ("rowline_report", "rowline_report_public"):
        assert [setting for name, setting in found if name == role] == limits
    assert ("rowline_migrator", "role=rowline_owner") in found
    assert ("rowline_runtime", "search_path=pg_catalog, pg_temp") in found


def test_the_owner_migrates_down_and_up_and_run_time_keeps_its_rights(roled_url: str) -> None:
    owner = with_option(databases.as_owner(roled_url), "-c role=rowline_owner")
    assert databases.ask(roled_url, "select pg_has_role('rowline_migrator', 'rowline_owner', 'member')") == [(True,)]
    schema.downgrade(owner, revision="0001")
    schema.upgrade(owner)
    with psycopg.connect(libpq.normal(roled_url), autocommit=True) as runtime:
        runtime.execute("select rowline.enqueue('q', 'n', '1')")
        runtime.execute("delete from rowline.endpoints")
        runtime.execute("select from rowline.queue_settings")
        runtime.execute("select * from report.queues")
        assert runtime.execute("select version_num from rowline.alembic_version").fetchall() == [(release.HEAD,)]
    with connected(roled_url, "rowline_report") as report:
        assert report.execute("select waiting from report.queues").fetchall() == [(1,)]


def test_the_roles_can_be_made_before_the_first_migration(server_url: str) -> None:
    with databases.fresh(server_url) as url:
        db = Database(Settings(), url=url, size=1, name="test")
        roles.apply(db, actor=ACTOR)
        schema.upgrade(with_option(url, "-c role=rowline_owner"))
        roles.apply(db, actor=ACTOR)
        db.close()
        with connected(url, "rowline_report_public") as public:
            assert public.execute("select * from report.queues").fetchall() == []


def test_the_owner_gets_a_table_and_the_sequence_of_its_identity_in_whichever_order_the_catalogue_has_them(
    server_url: str,
) -> None:
    place = "(select ctid from pg_class where oid = '{}'::regclass)"
    is_first = f"select {place.format('rowline.audit_number_seq')} < {place.format('rowline.audit')}"
    with databases.fresh(server_url) as url:
        schema.upgrade(url)
        for _ in range(200):  # each change of a name writes the table's row of the catalogue anew, at another place
            databases.run(url, "alter table rowline.audit rename to other")
            databases.run(url, "alter table rowline.other rename to audit")
            if databases.ask(url, is_first) == [(True,)]:
                break
        assert databases.ask(url, is_first) == [(True,)]
        as_it_lies = with_option(url, "-c enable_indexscan=off -c enable_bitmapscan=off")
        db = Database(Settings(), url=as_it_lies, size=1, name="test")
        roles.apply(db, actor=ACTOR)
        db.close()
        owners = "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'rowline'::regnamespace"
        assert databases.ask(url, owners) == [("rowline_owner",)]


MADE = (
    "create table rowline.made (a int)",
    "create sequence rowline.made_numbers",
    "create function rowline.make() returns int language sql as 'select 1'",
    "revoke execute on function rowline.make() from public",
    "create view report.made as select 1 as a",
)
USED = (
    *("insert into rowline.made values (1)", "update rowline.made set a = 2", "delete from rowline.made"),
    *("select nextval('rowline.made_numbers')", "select rowline.make()", "select * from report.made"),
)


@pytest.mark.parametrize("is_later", [False, True])
def test_run_time_uses_what_the_owner_made_before_the_roles_and_makes_later(roled_url: str, *, is_later: bool) -> None:
    with connected(roled_url, "rowline_owner") as owner:
        if not is_later:  # as if the roles were not there yet
            owner.execute(
                "alter default privileges in schema rowline, report revoke all on tables from rowline_runtime"
            )
            for kind in ("tables", "sequences", "functions"):
                owner.execute(f"alter default privileges in schema rowline revoke all on {kind} from rowline_runtime")
        for statement in MADE:
            owner.execute(statement)
    if not is_later:
        db = Database(Settings(), url=databases.as_owner(roled_url), size=1, name="test")
        roles.apply(db, actor=ACTOR)
        db.close()
    with connected(roled_url, "rowline_runtime") as runtime:
        for statement in USED:
            runtime.execute(statement)
    with connected(roled_url, "rowline_report") as report:
        report.execute("select * from report.made")


def test_nobody_else_gets_into_the_schemas_whoever_was_let_in_before(own_url: str, role: str) -> None:
    databases.run(own_url, "grant usage on schema rowline, report to public")
    databases.run(own_url, "grant select on all tables in schema report to public")
    db = Database(Settings(), url=databases.as_owner(own_url), size=1, name="test")
    roles.apply(db, actor=ACTOR)
    db.close()
    with connected(own_url, role) as stranger:
        for statement in ("select * from report.jobs", "select rowline.enqueue('q', 'n', '1')"):
            with pytest.raises(InsufficientPrivilege, match="permission denied for schema"):
                stranger.execute(statement)


def test_the_command_prints_the_script_or_runs_it_as_often_as_one_likes(own_url: str) -> None:
    env = {"DATABASE_URL": databases.as_owner(own_url)}
    with Program([*PYTHON, "-m", "app", "db", "roles"], env=env) as printing:
        assert printing.end() == 0
        assert "create role %I %s" in printing.output
        databases.run(own_url, f"begin; {printing.output}; commit")
    with Program([*PYTHON, "-m", "app", "db", "roles", "--apply"], env=env) as applying:
        assert applying.end() == 0, applying.output


@pytest.fixture
def role(own_url: str) -> Iterator[str]:
    """A role that may log in, and no more."""
    made = f"rowline_test_{secrets.token_hex(4)}"
    databases.run(own_url, f"create role {made} login")
    yield made
    name = databases.name_of(databases.as_owner(own_url))
    databases.run(own_url, f"alter database {name} owner to session_user; drop owned by {made}; drop role {made}")


def refused(url: str, role: str) -> str:
    """Return what `rowline db roles --apply` says to a role that may not."""
    env = {"DATABASE_URL": with_option(databases.as_owner(url), f"-c role={role}")}
    with Program([*PYTHON, "-m", "app", "db", "roles", "--apply"], env=env) as applying:
        assert applying.end() == 4
        return applying.output.strip()


def test_who_may_not_make_roles_is_told_which_right_is_missing(own_url: str, role: str) -> None:
    name = databases.name_of(databases.as_owner(own_url))
    [(owner,)] = databases.ask(own_url, "select session_user::text")
    told = f"rowline: a right is missing: the role {role} has no"
    not_owner = f"ownership of the database {name}, which belongs to {owner}"
    assert refused(own_url, role) == f"{told} CREATEROLE, and no {not_owner}"

    databases.run(own_url, f"alter role {role} createrole")
    assert refused(own_url, role) == f"{told} {not_owner}"
    databases.run(own_url, f"alter role {role} nocreaterole; alter database {name} owner to {role}")
    assert refused(own_url, role) == f"{told} CREATEROLE"


def test_who_does_not_own_what_is_in_the_database_is_told_so(own_url: str, role: str) -> None:
    name = databases.name_of(databases.as_owner(own_url))
    databases.run(own_url, f"alter role {role} createrole; alter database {name} owner to {role}")
    databases.run(own_url, "alter table rowline.jobs owner to session_user")
    # Before PostgreSQL 16, who has CREATEROLE may make himself a member of rowline_owner and gets as far as the table.
    found = refused(own_url, role)
    assert re.match("rowline: a right is missing: (permission denied to|must be owner of table jobs)", found), found
