"""What Alembic runs: every migration in a transaction of its own, one upgrader at a time, nobody held up for long.

Each transaction tries for a lock for LOCK_MS: whoever comes after us waits that long at most. Then it gives way and
tries again. What a revision must do otherwise, it says itself; the rules are in `migrations/README.md`.
"""

import contextlib
import logging
import random
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import sqlalchemy
from alembic import context
from alembic.script import ScriptDirectory

from app.domain import programs
from app.store import tables

_log = logging.getLogger("app.migrations")

LOCK_MS, STATEMENT_MS = 1_000, 60_000
TRIES = 20
APART_S = (0.5, 1.5)
"""How long others are let through between two tries; the jitter keeps us out of step with whoever is in the way."""
LOOK_S = (0.1, 0.3)
BOUNDS = (
    "set search_path = pg_catalog, pg_temp",  # no name means what somebody put into a schema of the session's path
    f"set lock_timeout = '{LOCK_MS}ms'",
    f"set statement_timeout = '{STATEMENT_MS}ms'",
)
VERSION = f"{tables.SCHEMA}.alembic_version"
"""The revision, and beside it `oldest`: the revision that the oldest code was written for which can use the schema."""
VERSION_TABLE = (
    f"create table if not exists {VERSION} "
    "(version_num varchar(32) not null, oldest text, constraint alembic_version_pkc primary key (version_num))"
)
ADD_OLDEST = f"alter table {VERSION} add column if not exists oldest text"
AUDIT = f"{tables.SCHEMA}.audit"
NOTE = f"insert into {AUDIT} (actor, action, target) values (%(actor)s, 'db.migrate', %(revision)s)"  # noqa: S608 - our own words
UNUSED, UNUSED_SINCE = ("jobs_ready", "jobs_delayed"), "0045"
"""Indexes that only programs written before a revision read."""
REPORTS_SINCE = "0048"
"""From here on reports do not read them either."""
CALLED = """
select application_name, count(*) from pg_stat_activity
where datid = (select oid from pg_database where datname = current_database())
group by application_name
"""
GIVES_WAY = psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected


def run() -> None:
    """Migrate the connection that `app/postgres/schema.py` opened, or print the SQL of it."""
    if context.is_offline_mode():
        _print()
        return
    connection: sqlalchemy.Connection = context.config.attributes["connection"]
    with _alone(connection):
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                _migrate(connection)
            except sqlalchemy.exc.OperationalError as error:
                connection.rollback()
                if not tries_left or not isinstance(error.orig, GIVES_WAY):
                    raise
                cause = str(error.orig).split("\n", 1)[0]
                _log.warning("migration_gives_way", extra={"cause": cause, "triesLeft": tries_left})
                time.sleep(random.uniform(*APART_S))  # noqa: S311 - no secret
            else:
                _drop_unused(connection)
                return


@contextlib.contextmanager
def _alone(connection: sqlalchemy.Connection) -> Iterator[None]:
    """Wait until nobody else migrates. Asks again and again: a statement that waits would hold up an index's making."""
    is_told = False
    while not _ask(connection, f"select pg_try_advisory_lock({tables.UPGRADER_LOCK})"):
        if not is_told:
            _log.warning("migration_awaited")
            is_told = True
        time.sleep(random.uniform(*LOOK_S))  # noqa: S311 - no secret
    try:
        yield
    finally:
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):  # the error of the block is the one to tell
            connection.rollback()
            _ask(connection, f"select pg_advisory_unlock({tables.UPGRADER_LOCK})")


def _ask(connection: sqlalchemy.Connection, query: str) -> Any:
    found = connection.exec_driver_sql(query).scalar()
    connection.commit()  # no snapshot stays open between two questions
    return found


def _migrate(connection: sqlalchemy.Connection) -> None:
    for bound in BOUNDS:  # each time anew: a block of a revision that failed may have left others
        _do(connection, bound)
    if _ask(connection, f"select to_regnamespace('{tables.SCHEMA}')") is None:
        _do(connection, f"create schema {tables.SCHEMA}")
    if _ask(connection, f"select to_regclass('{VERSION}')") is None:
        _do(connection, VERSION_TABLE)
    named = f"select from pg_attribute where attrelid = '{VERSION}'::regclass and attname = 'oldest'"
    if not _ask(connection, f"select exists ({named})"):
        _do(connection, ADD_OLDEST)
    context.configure(connection=connection, **_options())
    with context.begin_transaction():
        context.run_migrations()


def _drop_unused(connection: sqlalchemy.Connection) -> None:
    """Drop the indexes that no connected program reads. Those that stay cost each insert, and harm nothing.

    An older program that comes later works too, and sorts the whole line of a queue at each claim.
    """
    if (_ask(connection, f"select max(version_num) from {VERSION}") or "") < REPORTS_SINCE:  # noqa: S608 - our own words
        return
    there = [name for name in UNUSED if _ask(connection, f"select to_regclass('{tables.SCHEMA}.{name}')")]
    if not there:
        return
    connected = programs.connected((str(name), count) for name, count in connection.exec_driver_sql(CALLED))
    connection.commit()
    if any(program.is_older_than(UNUSED_SINCE) for program in connected):
        _log.warning("indexes_kept", extra={"cause": f"a program written before {UNUSED_SINCE} is connected"})
        return
    try:
        for name in there:
            _do(connection, f"drop index {tables.SCHEMA}.{name}")
    except sqlalchemy.exc.DBAPIError as error:  # no right, a lock: the schema is at its revision without that
        connection.rollback()
        _log.warning("indexes_kept", extra={"cause": str(error.orig).split("\n", 1)[0]})


def _do(connection: sqlalchemy.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)
    connection.commit()


def _print() -> None:
    """Print what `_migrate` would do, for people to read, to check and to run: once, by one of them."""
    context.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},  # the default one doubles each percent sign
        output_buffer=context.config.output_buffer,
        **_options(),
    )
    output = context.get_context().impl.static_output
    for statement in (*BOUNDS, f"create schema if not exists {tables.SCHEMA}"):
        output(f"{statement};")
    with context.begin_transaction():
        context.run_migrations()


def _options() -> dict[str, Any]:
    return {
        "target_metadata": tables.metadata,
        "include_schemas": True,
        "include_name": lambda name, kind, _parents: kind != "schema" or name == tables.SCHEMA,
        "version_table_schema": tables.SCHEMA,
        "transaction_per_migration": True,
        "on_version_apply": _end_revision,
    }


def _end_revision(*, ctx: Any, step: Any, heads: set[str], **_: object) -> None:
    """Write down, in the transaction of the revision, which code can use what it leaves; bound the next one.

    A feature may have kept older code out (`rowline.require_release`): going up leaves it out, going down keeps out no
    code that knows the revision.
    """
    for bound in BOUNDS:
        ctx.impl.execute(bound)
    if not heads:
        return
    if ctx.as_sql:
        ctx.impl.execute(ADD_OLDEST)
    [revision] = heads
    oldest = ScriptDirectory.from_config(context.config).get_revision(revision).module.oldest
    if step.is_upgrade:
        newest = f"greatest(oldest, '{oldest}')"
    else:  # what a feature has raised stays, up to the revision
        left = step.up_revision.module.oldest
        newest = f"case when oldest = '{left}' then '{oldest}' else least(oldest, '{revision}') end"
    ctx.impl.execute(f"update {VERSION} set oldest = {newest}")  # noqa: S608 - our own words
    if not ctx.as_sql and context.get_bind().exec_driver_sql(f"select to_regclass('{AUDIT}')").scalar() is not None:
        context.get_bind().exec_driver_sql(NOTE, {"actor": context.config.attributes["actor"], "revision": revision})


run()
