"""Whether the database keeps what we promise."""

from sqlalchemy import text

from app.infra.database import Connection, Database, DatabaseError
from app.store.tables import HEAD, SCHEMA

REQUIRED = {
    "fsync": ({"on"}, "an acknowledged job can be lost"),
    "full_page_writes": ({"on"}, "an acknowledged job can be lost"),
    "synchronous_commit": ({"on", "remote_write", "remote_apply"}, "an acknowledged job can be lost"),
    "default_transaction_read_only": ({"off"}, "it takes no jobs"),
    "server_encoding": ({"UTF8"}, "not every name and text can be stored"),
}
"""Setting of PostgreSQL -> the values that we can work with, and what it would mean otherwise."""
OLDEST = 15
REVISION = text(f"select version_num from {SCHEMA}.alembic_version")  # noqa: S608 - our own name


def faults(db: Database) -> list[str]:
    """Say what keeps this node from serving, each as a sentence; empty when it is ready."""
    try:
        with db.begin() as conn:  # with the settings of who writes
            return [*_server_faults(conn), *_schema_faults(conn)]
    except DatabaseError as error:
        return [str(error)]


def _server_faults(conn: Connection) -> list[str]:
    found = []
    if int(_setting(conn, "server_version_num")) < OLDEST * 10_000:
        found.append(f"PostgreSQL {_setting(conn, 'server_version')} is too old: {OLDEST} or newer is needed")
    if conn.execute(text("select pg_is_in_recovery()")).scalar_one():
        found.append("PostgreSQL is a standby: it takes no jobs")
    for name, (values, meaning) in REQUIRED.items():
        if (value := _setting(conn, name)) not in values:
            found.append(f"PostgreSQL has {name}={value}: {meaning}")
    return found


def _schema_faults(conn: Connection) -> list[str]:
    exists = conn.execute(text("select to_regclass(:name)"), {"name": f"{SCHEMA}.alembic_version"}).scalar_one()
    revision = conn.execute(REVISION).scalar() if exists else None
    if revision == HEAD:
        return []
    return [f"the schema is at revision {revision or 'none'} and this release needs {HEAD}: run `rowline db upgrade`"]


def _setting(conn: Connection, name: str) -> str:
    return str(conn.execute(text("select current_setting(:name)"), {"name": name}).scalar_one())
