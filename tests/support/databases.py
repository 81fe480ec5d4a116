"""Databases for tests on one server: migrated once, cloned where a test must commit on its own."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from app.infra.settings import Settings
from app.operations import roles
from app.postgres import libpq, schema
from app.postgres.database import Database
from tests.support.acting import ACTOR
from tests.support.clusters import until

RUNTIME = "-c role=rowline_runtime -c search_path=hostile"
"""How the tests use a database: as the role of run time, which can do no DDL, and with a path that leads astray."""
HOSTILE = """
create schema hostile;
grant usage on schema hostile to public;
create table hostile.jobs (queue text);
create table hostile.attempts (queue text);
create table hostile.alembic_version (version_num text);
create function hostile.num_nulls(text, bigint, real) returns integer language sql as 'select 1 / 0';
create function hostile.compared(real, integer) returns boolean language sql as 'select 1 / 0 = 1';
create operator hostile.<= (leftarg = real, rightarg = integer, function = hostile.compared);
create operator hostile.>= (leftarg = real, rightarg = integer, function = hostile.compared);
"""


def named(server_url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(libpq.normal(server_url))._replace(path=f"/{name}"))


def name_of(url: str) -> str:
    """Return the name of the database of a URL."""
    return urlsplit(libpq.normal(url)).path.strip("/")


def as_runtime(url: str) -> str:
    """Return the URL with which the service under test uses a database."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(RUNTIME)}"


def as_owner(url: str) -> str:
    """Return the URL with which tests prepare and look, with every right."""
    return libpq.normal(url).partition(f"options={quote(RUNTIME)}")[0].rstrip("?&")


def run(url: str, statement: str) -> None:
    with psycopg.connect(as_owner(url), autocommit=True) as connection:
        connection.execute(statement)


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(as_owner(url), autocommit=True) as connection:
        return connection.execute(query).fetchall()


@contextlib.contextmanager
def connected(url: str, program: str) -> Iterator[psycopg.Connection[Any]]:
    """Be connected as `program` during the block; after it the server, too, knows that the connection is closed.

    Its process sees that a moment after the client has closed, and is among those that are connected until then.
    """
    with psycopg.connect(as_owner(url), application_name=program) as connection:
        pid = connection.info.backend_pid
        yield connection
    until(lambda: not ask(url, f"select from pg_stat_activity where pid = {pid}"))


def altered(url: str, whose: str, settings: Mapping[str, str | None]) -> None:
    """Set `settings` for the sessions to come, of the "database" or of the "role" in it; None: as they were."""
    database = urlsplit(as_owner(url)).path[1:]
    who = f"database {database}" if whose == "database" else f"role session_user in database {database}"
    free = "-c default_transaction_read_only=off -c role=none"
    with psycopg.connect(as_owner(url), autocommit=True, options=free) as connection:
        for name, value in settings.items():
            connection.execute(f"alter {who} reset {name}" if value is None else f"alter {who} set {name} = '{value}'")


@contextlib.contextmanager
def fresh(server_url: str, *, template: str = "template0") -> Iterator[str]:
    """Make a database, a copy of `template`, and drop it afterwards, whoever is still connected."""
    name = f"rowline_test_{secrets.token_hex(4)}"
    run(server_url, f"create database {name} template {template} strategy file_copy")
    try:
        yield named(server_url, name)
    finally:
        run(server_url, f"drop database {name} with (force)")


@contextlib.contextmanager
def migrated(server_url: str) -> Iterator[str]:
    """Make a database at head, with its roles, and return its name, for `fresh` to copy."""
    with fresh(server_url) as url:
        prepare(url)
        yield urlsplit(url).path.strip("/")


def prepare(url: str) -> str:
    """Bring a database to head, with its roles, and return the URL with which the service under test uses it."""
    schema.upgrade(url)
    db = Database(Settings(), url=url, size=1, name="rowline-test")
    roles.apply(db, actor=ACTOR)
    db.close()
    run(url, HOSTILE)
    return as_runtime(url)


_TROUBLE = """
    create function public.trouble() returns trigger language plpgsql as $$ begin
        if coalesce(new.queue, old.queue) = any('{queues}'::text[]) then
            raise exception 'trouble' using errcode = '57014';
        end if;
        return coalesce(new, old);
    end $$;
    create trigger trouble before insert or delete on rowline.jobs for each row execute function public.trouble()
"""


@contextlib.contextmanager
def too_slow(url: str, queues: str) -> Iterator[None]:
    """Have the database give up each statement that inserts or deletes jobs of `queues` (an array as SQL writes it)."""
    run(url, _TROUBLE.format(queues=queues))
    try:
        yield
    finally:
        run(url, "drop trigger trouble on rowline.jobs; drop function public.trouble()")
