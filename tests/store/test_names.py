"""No function of ours looks a name up where its caller, or a stranger, can put something."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from app.infra.settings import Settings
from app.operations import roles
from app.postgres import schema
from app.postgres.database import Database
from tests.support import databases
from tests.support.acting import ACTOR

PATH = "search_path=pg_catalog, pg_temp"
OURS = "pronamespace in ('rowline'::regnamespace, 'report'::regnamespace) and prokind = 'f'"
"""Without aggregates, which have no body: they call a function of ours."""
RULES = r"rowline\.broken_(state|request)_\d+\([a-z_, ]+\)"
CALLS = (
    rf"begin perform from new_jobs where rowline\.refuse_job\((coalesce\( )?{RULES}(, {RULES} \))?\); return null; end"
)
"""All that a function may say that states no path: calls by their full names of the transition table's columns."""
ALIASES = {"integer": "int4", "bigint": "int8", "boolean": "bool", "real": "float4", "double precision": "float8"}
WORDS = f"""
select distinct word
from pg_proc cross join regexp_split_to_table(pg_get_functiondef(oid), '[^a-z0-9_]+') as word
where {OURS}
"""
NAMED = f"select typname, typtype from pg_type where typnamespace = 'pg_catalog'::regnamespace and typname in ({WORDS})"
TRAP = """
create function pg_temp.trap(v pg_catalog.{base}) returns pg_catalog.bool language plpgsql as
    'begin raise ''a type of the caller was used by %'', current_user; end';
create domain pg_temp."{name}" as pg_catalog.{base} check (pg_temp.trap(value));
"""
FULL = (
    '{"attempts": 3.0, "delay": 1e1, "priority": 1, "lifo": true, "jobId": "%s", "timeout": 9, "keepLogs": 1, '
    '"stackTraceLimit": 1, "backoff": {"type": "fixed", "delay": 1, "jitter": 1e-400}}'
)
TRAPS = f"""
create schema trap;
grant usage on schema trap to public;
do $do$
declare
    found record;
begin
    for found in
        select
            format(
                'function trap.%I(%s) returns %s', proname, pg_get_function_identity_arguments(oid), prorettype::regtype
            ) as made
        from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and not proretset and proname in ({WORDS})
        union all values ('function trap.num_nulls(text, bigint, real) returns integer')
        union all values ('function trap.format(text, text) returns text')
    loop
        begin
            execute format('create %s language plpgsql as %L', found.made, 'begin raise ''trapped''; end');
        exception when others then null;  -- of pseudo-types, for which plpgsql makes none
        end;
    end loop;
    for found in
        select
            oprname, oprleft::regtype as l, oprright::regtype as r, oprresult::regtype,
            format('trap.%I', 'o' || oid) as f
        from pg_operator
        where oprname in ('=', '<>', '<', '>', '<=', '>=', '~', '!~', '||', '->', '->>') and oprkind = 'b'
            and oprleft = any (array['text', 'int4', 'int8', 'float4', 'float8', 'bool', 'json', 'name']::regtype[])
    loop
        begin
            execute format('create function %s(%s, %s) returns %s language plpgsql as %L',
                found.f, found.l, found.r, found.oprresult, 'begin raise ''trapped''; end');
            execute format('create operator trap.%s (leftarg = %s, rightarg = %s, function = %s)',
                found.oprname, found.l, found.r, found.f);
        exception when others then null;
        end;
    end loop;
end
$do$;
"""
TYPES = " ".join(
    f'create domain trap."{name}" as pg_catalog.{base};'
    for name, base in (*((same, same) for same in ("text", "json", "uuid", "timestamptz", "bytea")), *ALIASES.items())
)
JOB = """
insert into rowline.jobs (
    queue, number, name, status, priority, lifo, place, run_at, added_at, delay_ms, attempts, data, opts,
    backoff_type, backoff_delay_ms, backoff_jitter
) values ('q', 0, 'n', 'waiting', 0, false, 1, 'now', 'now', 0, 1, '1', '{}', 'fixed', 0, 0.5)
"""
MADE = f"""
select oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc where {OURS}
union all
select oid::regclass::text, pg_get_viewdef(oid) from pg_class
where relnamespace in ('rowline'::regnamespace, 'report'::regnamespace) and relkind = 'v'
union all
select attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid in (
    select oid from pg_class
    where relnamespace in ('rowline'::regnamespace, 'report'::regnamespace) and relkind in ('r', 'c')
)
"""


def made(url: str) -> dict[str, str]:
    """All that migrations make and that holds names, where those of pg_catalog alone have no schema."""
    with psycopg.connect(databases.as_owner(url)) as connection:
        connection.execute("set search_path = ''")
        return dict(connection.execute(MADE).fetchall())


def led_astray(url: str) -> str:
    owner = databases.as_owner(url)
    return f"{owner}{'&' if '?' in owner else '?'}options={quote('-c search_path=trap,pg_catalog')}"


@pytest.fixture
def enqueuing(own_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that may add jobs in SQL, and nothing else; roll back what it made."""
    with psycopg.connect(databases.as_owner(own_url)) as connection:
        connection.execute("set role rowline_enqueue")
        connection.commit()
        yield connection


def refusal(connection: psycopg.Connection[Any], statement: str) -> str | None:
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        connection.execute(statement.encode())
    return caught.value.diag.message_primary


def test_every_function_of_ours_says_where_it_looks_for_names(own_url: str) -> None:
    unsaid = f"{OURS} and prosqlbody is null and not coalesce(%s = any(proconfig), false)"
    with psycopg.connect(databases.as_owner(own_url)) as connection:
        found = connection.execute(f"select proname, prosrc from pg_proc where {unsaid}".encode(), (PATH,)).fetchall()
    assert sorted(name for name, _ in found) == ["check_job_states", "check_new_jobs"]
    assert all(re.fullmatch(CALLS, " ".join(body.split())) for _, body in found), found


def test_nothing_that_has_its_owners_rights_is_open_to_everybody(own_url: str) -> None:
    ours = databases.ask(own_url, f"select proname from pg_proc where {OURS} and prosecdef order by proname")
    assert ours == [
        ("audit_partitions",),
        ("empty_events",),
        ("enqueue",),
        ("enqueue_add",),
        ("enqueue_many",),
        ("enqueue_store",),
        ("require_release",),
    ]
    open_ = (
        f"select proname from pg_proc where {OURS} and prosecdef and has_function_privilege('public', oid, 'execute')"
    )
    assert databases.ask(own_url, open_) == []


def test_no_type_of_the_caller_is_used_with_the_owners_rights(own_url: str, enqueuing: psycopg.Connection[Any]) -> None:
    named = {name: name if kind == "b" else "text" for name, kind in databases.ask(own_url, NAMED)} | ALIASES
    assert {"text", "json", "record", "timestamptz", "uuid"} <= set(named)
    for name, base in named.items():
        with enqueuing.transaction(force_rollback=True):
            enqueuing.execute(TRAP.format(name=name, base=base).encode())
            assert "a type of the caller" in (refusal(enqueuing, f'select null::pg_temp."{name}"') or "")
            data = f"""{{"text": "\\ud83d\\ude00", "digits": {"7" * 300}, "deep": {"[" * 127 + "]" * 127}}}"""
            enqueuing.execute("select rowline.enqueue('q', 'n', %s::pg_catalog.json)", (data,))
            enqueuing.execute("select rowline.enqueue('q', 'n', '1', %s, true)", (FULL % name,))
            enqueuing.execute("""select rowline.enqueue_many('q', '[{"name": "n", "data": 1, "opts": {}}]')""")
            assert refusal(enqueuing, "select rowline.enqueue('q', '', '1')") == "name must not be empty"
            faulty = "select rowline.enqueue('q', 'n', '1', '{\"more\": 1, \"backoff\": {\"jitter\": 2}}')"
            assert refusal(enqueuing, faulty) == "opts.backoff.type is required"
            assert refusal(enqueuing, "select rowline.enqueue('', 'n', '1')") == "queue name must not be empty"


def test_no_operator_and_no_function_of_a_stranger_is_used_for_a_row(own_url: str) -> None:
    databases.run(own_url, TRAPS)
    with psycopg.connect(led_astray(own_url), autocommit=True) as connection:
        for trapped in ("select pg_catalog.char_length('x') < 1", "select char_length('x'::text)"):
            assert refusal(connection, trapped) == "trapped"
        connection.execute(JOB.encode())
        connection.execute("update rowline.jobs set name = 'm', custom_id = 'c'")
        connection.execute("select rowline.enqueue('q', 'n', '1', '{\"attempts\": 2}')")
        connection.execute("select report.fingerprint('a', 'b')")
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            connection.execute("update rowline.jobs set status = 'done'")
        assert caught.value.diag.constraint_name == "jobs_status"


def test_migrations_and_roles_make_the_same_whatever_a_stranger_put_into_the_path(
    server_url: str, shared_url: str
) -> None:
    with databases.fresh(server_url) as url:
        databases.run(url, f"create schema trap; {TYPES}")
        schema.upgrade(led_astray(url))
        db = Database(Settings(), url=led_astray(url), size=1, name="test")
        roles.apply(db, actor=ACTOR)
        db.close()
        assert made(url) == made(shared_url)


@contextlib.contextmanager
def made_by_another(server_url: str, statements: str) -> Iterator[str]:
    """A database in which a role of its own, with the right to make schemas, has run these statements."""
    with databases.fresh(server_url) as url:
        name = f"other_{databases.name_of(url)}"
        databases.run(url, f"create role {name}")
        try:
            grant = f"do $$ begin execute format('grant create on database %I to {name}', current_database()); end $$"
            databases.run(url, f"{grant}; set role {name}; {statements}")
            yield url
        finally:
            databases.run(url, f"drop owned by {name} cascade; drop role {name}")


@pytest.mark.parametrize("made", ["rowline", "report"])
@pytest.mark.parametrize(
    "beside",
    [
        "",
        "create table {}.alembic_version (version_num text, oldest text)",
        "create view {}.alembic_version as select 1 / 0 as version_num",
    ],
)
def test_the_first_upgrade_refuses_a_schema_that_another_role_made(server_url: str, made: str, beside: str) -> None:
    with made_by_another(server_url, f"create schema {made}; {beside.format(made)}") as url:
        refused = rf'the schema {made} exists, and the role "other_\w+" made it: .* drop it, or upgrade as that role'
        with pytest.raises(schema.SchemaError, match=refused):
            schema.upgrade(url)
        assert databases.ask(url, "select relname from pg_class where relname = 'jobs'") == []


def test_the_first_upgrade_uses_a_schema_of_a_role_that_the_upgrader_is_a_member_of(server_url: str) -> None:
    with made_by_another(server_url, "create schema rowline") as url:
        databases.run(url, f"grant other_{databases.name_of(url)} to current_user")
        schema.upgrade(url)
        assert databases.ask(url, "select count(*) from rowline.jobs") == [(0,)]


def test_a_later_upgrade_does_not_ask_whose_the_schema_is(server_url: str) -> None:
    with made_by_another(server_url, "select") as url:
        schema.upgrade(url)
        databases.run(url, f"alter schema rowline owner to other_{databases.name_of(url)}")
        schema.upgrade(url)


def test_sessions_of_the_service_look_for_names_in_pg_catalog_alone(own_url: str) -> None:
    databases.run(
        own_url, "do $$ begin execute format('alter database %I set search_path = x', current_database()); end $$"
    )
    db = Database(Settings(), url=databases.as_owner(own_url), size=1, name="test")
    for opened in (db.begin, db.read):
        with opened() as conn:
            assert conn.exec_driver_sql("select current_schemas(true)::text").scalar_one() == "{pg_catalog}"
            assert conn.exec_driver_sql("show search_path").scalar_one() == "pg_catalog,pg_temp"
    db.close()
