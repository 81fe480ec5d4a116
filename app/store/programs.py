"""The programs that are connected to the database."""

from app.domain import programs
from app.domain.programs import Program
from app.postgres.database import Connection
from app.store.statements import Statement

_connected = Statement("programs/connected")


def connected(conn: Connection) -> list[Program]:
    """List the programs that serve and have a connection at this moment, by name and release.

    A pooler in transaction mode calls a session what the last program was called that used it. Raises psycopg's errors.
    """
    return programs.connected((row.application_name, row.connections) for row in _connected.rows(conn))
