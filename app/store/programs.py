"""The service's programs that are connected to the database."""

from app.domain import programs
from app.domain.programs import Program
from app.postgres.database import Connection
from app.store.statements import Statement

_connected = Statement("programs/connected")
_oldest = Statement("programs/oldest")


def connected(conn: Connection) -> list[Program]:
    """Return the programs of the service that have a connection now, sorted by name and release.

    Behind a pooler in transaction mode a session has the name of the last program that used it. Raises psycopg errors.
    """
    return programs.connected((row.application_name, row.connections) for row in _connected.rows(conn))


def oldest(conn: Connection) -> str:
    """Return the revision of the oldest programs that may use the schema."""
    return str(_oldest.rows(conn)[0].revision)


def schema(conn: Connection) -> tuple[str, str]:
    """Return the revision of the schema, and that of the oldest programs that may use it; empty: its own."""
    [row] = _oldest.rows(conn)
    return str(row.schema), str(row.revision)
