"""Migrations, run by Alembic, which no other module of `app` uses."""

import contextlib
import io
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import PendingRollbackError

from app.infra import release
from app.postgres import database, libpq, poolers
from app.postgres.database import DatabaseError
from app.postgres.poolers import PoolerMode
from app.postgres.prepared import PreparedConnection

CONNECT_S = 5
UNKNOWN = "cli:unknown"
"""Who migrates, for the audit, where it is not known."""
MIGRATIONS = Path(__file__).parents[2] / "migrations"

_log = logging.getLogger(__name__)

_INSTALLED = """
select exists (
    select from pg_class
    where oid = to_regclass('rowline.alembic_version') and relkind = 'r'
)
"""
_OF_STRANGERS = """
with recursive ours as (
    select oid from pg_roles where rolname = current_user
    union
    select membership.roleid from pg_auth_members as membership join ours on membership.member = ours.oid
)
select nspname, pg_get_userbyid(nspowner) from pg_namespace
where nspname in ('rowline', 'report')
    and nspowner not in (select oid from ours)
    and nspowner not in (select oid from pg_roles where rolsuper)
"""
"""pg_has_role() would say that a superuser is a member of every role."""


class SchemaError(Exception):
    """A migration cannot be run: there is no such revision, or none in that direction."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One migration, described by its file."""

    name: str
    step: str
    """expand: the previous release can use the new schema; contract: removes what the previous release does not use;
    stop: the processes of the previous release must be stopped first."""
    oldest: str
    """The oldest revision for which code was written that can use the new schema."""
    about: str


def upgrade(url: str, *, revision: str = "head", actor: str = UNKNOWN) -> None:
    """Upgrade the schema of `url` to `revision`; waits while another process migrates. A newer schema is left as it is.

    Each revision is noted in the audit, if the schema has one, as done by `actor`. Raises DatabaseError, SchemaError.
    """
    names = {one.name for one in revisions()}

    def migrate(config: Config, connection: sqlalchemy.Connection) -> None:
        _refuse_of_strangers(connection)
        found = _revision_of(connection)
        if revision == "head" and found is not None and found not in names:
            _log.warning("schema_ahead", extra={"revision": found})
            return
        command.upgrade(config, revision)

    _run(url, migrate, actor)


def downgrade(url: str, *, revision: str, actor: str = UNKNOWN) -> None:
    """Downgrade the schema of `url` to `revision` ("base" = an empty database). Raises DatabaseError, SchemaError."""
    _run(url, lambda config, _connection: command.downgrade(config, revision), actor)


def sql(*, since: str, revision: str = "head") -> str:
    """Return the SQL that upgrades a schema from `since` ("base" = empty) to `revision`. Raises SchemaError."""
    config = _config()
    output = config.output_buffer = io.StringIO()
    with _translated():
        command.upgrade(config, f"{since}:{revision}", sql=True)
    return output.getvalue()


def revisions() -> list[Revision]:
    """Return all migrations, the oldest first."""
    scripts = reversed(list(_scripts().walk_revisions()))
    return [
        Revision(name=one.revision, step=one.module.step, oldest=one.module.oldest, about=one.doc) for one in scripts
    ]


def begin_revision(message: str) -> None:
    """Create the file of a new migration, to be filled in."""
    command.revision(_config(), message=message, rev_id=f"{int(head() or 0) + 1:04d}")


def head() -> str | None:
    """Return the newest revision in `migrations/`. Raises SchemaError if there are two."""
    with _translated():
        return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _refuse_of_strangers(connection: sqlalchemy.Connection) -> None:
    """Raise SchemaError if nothing is installed and another role made one of our schemas.

    It could keep functions and rights there, which would be those of our owner after `rowline db roles`. This asks the
    catalog first, since to read a view of a stranger is to run it.
    """
    is_installed = connection.exec_driver_sql(_INSTALLED).scalar_one() and _revision_of(connection) is not None
    strange = None if is_installed else connection.exec_driver_sql(_OF_STRANGERS).first()
    connection.rollback()
    if strange:
        raise SchemaError(
            f'the schema {strange[0]} exists, and the role "{strange[1]}" made it: it could keep functions and rights '
            "there. If nothing in it is needed, drop it, or upgrade as that role or a member of it"
        )


def _revision_of(connection: sqlalchemy.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": "rowline"})
    found = context.get_current_revision()
    connection.rollback()
    return found


def _run(url: str, migrate: Callable[[Config, sqlalchemy.Connection], None], actor: str) -> None:
    session: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "application_name": release.named("rowline-migrate"),
        "client_encoding": "utf8",
        "options": libpq.options(url, f"-c search_path={libpq.PATH}"),
    }
    arguments = libpq.NETWORK | session
    engine = database.engine(url, arguments)
    config = _config()
    try:
        is_pooled = _is_pooled(url, arguments)
        with database.translated(), engine.connect() as connection, _translated():
            if is_pooled:
                _settle(connection, libpq.asked(session["options"]))
            config.attributes.update(connection=connection, actor=actor)
            migrate(config, connection)
    finally:
        engine.dispose()


def _is_pooled(url: str, arguments: dict[str, Any]) -> bool:
    """Return whether there is a pooler in session mode. Raises DatabaseError, also for one in transaction mode.

    The check leaves no state in the sessions of a pooler in transaction mode.
    """
    connect = libpq.connector(url, arguments | {"autocommit": True}, PreparedConnection)
    with database.translated(), connect() as connection:
        connection.ends_at = time.monotonic() + CONNECT_S
        return poolers.require_session(connection, connect, otherwise=poolers.NOT_MIGRATED) is PoolerMode.SESSION


def _settle(connection: sqlalchemy.Connection, asked: Mapping[str, str]) -> None:
    """Set the settings that a pooler has dropped, on the session, which belongs to this connection until its end."""
    for name, value in asked.items():
        connection.exec_driver_sql("select set_config(%s, %s, false)", (name, value))
    connection.commit()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise SchemaError(f"the schema cannot be migrated: {error}") from error
    except PendingRollbackError as error:  # raised when the connection of an autocommit block breaks
        raise DatabaseError("the connection broke during a migration: run it again") from error
