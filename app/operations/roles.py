"""The database roles."""

from app.domain.audit import Act, Actor
from app.operations import operation
from app.postgres.database import Database
from app.store import audit, roles

SCRIPT = roles.SCRIPT
"""The SQL that `apply` runs, to be printed for operators who run it themselves."""


@operation
def apply(db: Database, *, actor: Actor) -> None:
    """Create the roles that are missing and grant all of them their privileges, in one transaction."""
    with db.begin() as conn:
        roles.apply(conn)
        if audit.exists(conn):  # roles can be made before the schema
            audit.note(conn, actor, Act(action="db.roles"))
