"""The roles of the database."""

from app.infra.database import Database
from app.operations import operation
from app.store import roles

SCRIPT = roles.SCRIPT
"""What `apply` runs, for an operator who runs it in another way."""


@operation
def apply(db: Database) -> None:
    """Make the roles that are missing, and give all of them their rights; all of it or nothing."""
    with db.begin() as conn:
        roles.apply(conn)
