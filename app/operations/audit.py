"""The audit: refused acts, which change nothing else, and its partitions. What is done notes its act itself."""

from app.domain.audit import Act, Actor
from app.operations import operation
from app.postgres.database import Database
from app.store import audit


@operation
def note(db: Database, *, actor: Actor, act: Act) -> None:
    """Add an act to the audit in a transaction of its own, such as one that was refused."""
    with db.begin() as conn:
        audit.note(conn, actor, act)


@operation
def partition(db: Database) -> None:
    """Make the partitions of three months, and drop those of 400 days ago. Locks the audit briefly."""
    with db.begin() as conn:
        audit.partition(conn)
