"""What Alembic runs: every migration in a transaction of its own, one upgrader at a time."""

import random
import time

import sqlalchemy
from alembic import context

from app.store import tables

ONE_UPGRADER = 0x526F776C696E65  # the advisory lock's key: the bytes of "Rowline"


def run() -> None:
    """Migrate the connection that `infra/schema.py` opened."""
    connection: sqlalchemy.Connection = context.config.attributes["connection"]
    while not _take_turn(connection):
        time.sleep(random.uniform(0.1, 0.3))  # noqa: S311 - no secret
    try:
        if connection.execute(sqlalchemy.text(f"select to_regnamespace('{tables.SCHEMA}')")).scalar() is None:
            connection.execute(sqlalchemy.text(f"create schema {tables.SCHEMA}"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=tables.metadata,
            include_schemas=True,
            include_name=lambda name, kind, _parents: kind != "schema" or name == tables.SCHEMA,
            version_table_schema=tables.SCHEMA,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()  # of what failed, so that its error is the one that is told
        connection.execute(sqlalchemy.text("select pg_advisory_unlock(:key)"), {"key": ONE_UPGRADER})
        connection.commit()


def _take_turn(connection: sqlalchemy.Connection) -> bool:
    """Ask for the lock without waiting for it: a statement that waits would hold up the making of an index."""
    asked = connection.execute(sqlalchemy.text("select pg_try_advisory_lock(:key)"), {"key": ONE_UPGRADER})
    is_mine = bool(asked.scalar())
    connection.commit()
    return is_mine


run()
