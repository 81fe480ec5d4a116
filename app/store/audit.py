"""The audit: acts are added in the transaction that does them, and never changed."""

import orjson

from app.domain.audit import Act, Actor, Members
from app.postgres.database import Connection
from app.store.statements import Statement

_note = Statement("audit/note")
_exists = Statement("audit/exists")
_partition = Statement("audit/partition")


def note(conn: Connection, actor: Actor, act: Act) -> None:
    """Add an act to the audit, in the transaction of the act."""
    _note.rows(
        conn,
        actor=actor.id,
        actor_name=actor.name,
        address=actor.address,
        request_id=actor.request_id,
        action=act.action,
        queue=act.queue,
        target=act.target,
        affected=act.affected,
        before=_json(act.before),
        after=_json(act.after),
        outcome=act.outcome.value,
    )


def exists(conn: Connection) -> bool:
    """Return whether the schema has an audit: an older one has none."""
    return bool(_exists.rows(conn)[0].there)


def partition(conn: Connection) -> None:
    """Make the partitions of three months, and drop those of 400 days ago. Locks the audit briefly."""
    _partition.rows(conn)


def _json(members: Members | None) -> str | None:
    return None if members is None else orjson.dumps(members).decode()
