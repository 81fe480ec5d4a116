"""Whether the database keeps what we promise."""

from sqlalchemy import text

from app.infra.database import Database, DatabaseError
from app.store.tables import HEAD, SCHEMA

REVISION = text(f"select version_num from {SCHEMA}.alembic_version")  # noqa: S608 - our own name
DURABLE = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "remote_write", "remote_apply"},
}
"""What each setting of PostgreSQL must be for an acknowledged job to survive a crash of the machine."""


def faults(db: Database) -> list[str]:
    """Say what keeps this node from serving, each as a sentence; empty when it is ready."""
    try:
        with db.read() as conn:
            found = [
                f"PostgreSQL has {name}={value}, so an acknowledged job can be lost"
                for name in DURABLE
                if (value := conn.execute(text(f"show {name}")).scalar_one()) not in DURABLE[name]
            ]
            exists = conn.execute(text("select to_regclass(:name)"), {"name": f"{SCHEMA}.alembic_version"}).scalar_one()
            revision = conn.execute(REVISION).scalar() if exists else None
    except DatabaseError as error:
        return [str(error)]
    if revision != HEAD:
        found.append(
            f"the schema is at revision {revision or 'none'} and this release needs {HEAD}: run `rowline db upgrade`"
        )
    return found
