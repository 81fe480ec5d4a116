"""The settings of the service and of queues."""

from collections.abc import Mapping

from app.domain.audit import Act, Actor, Members
from app.domain.errors import QueueNotEmpty
from app.domain.queue import Queue
from app.domain.retention import SETTINGS, Keep, Retention
from app.operations import operation
from app.postgres.database import Database
from app.store import audit, queues, settings


@operation
def change(db: Database, *, actor: Actor, keeps: Mapping[str, Keep | None]) -> Retention:
    """Change the settings of the service that `keeps` names, fields of `Retention`; None takes one away. Return all."""
    with db.begin() as conn:
        before = settings.find(conn)
        after = settings.change(conn, keeps=keeps)
        audit.note(conn, actor, Act(action="settings.change", before=members(before), after=members(after)))
    return after


@operation
def change_queue(db: Database, *, actor: Actor, queue: str, keeps: Mapping[str, Keep | None]) -> Queue:
    """Change the settings of a queue that `keeps` names; None takes one away: then that of the service holds."""
    with db.begin() as conn:
        before = queues.find(conn, queue=queue).retention
        queues.change(conn, queue=queue, keeps=keeps)
        after = queues.find(conn, queue=queue)
        act = Act(action="queues.change", queue=queue, before=members(before), after=members(after.retention))
        audit.note(conn, actor, act)
    return after


@operation
def forget_queue(db: Database, *, actor: Actor, queue: str) -> Queue:
    """Delete the settings of a queue without jobs, a pause among them; return the queue. Raises QueueNotEmpty."""
    with db.begin() as conn:
        before = queues.find(conn, queue=queue)
        if sum(before.counts.values()):
            raise QueueNotEmpty(f"queue {queue!r} has jobs: remove them first")
        is_there = queues.forget(conn, queue=queue)
        act = Act(action="queues.forget", queue=queue, affected=int(is_there), before=members(before.retention))
        audit.note(conn, actor, act)
        return queues.find(conn, queue=queue)


def members(retention: Retention) -> Members:
    """Return the settings that are set, for the audit."""
    kept = {name: getattr(retention, field) for name, field in SETTINGS.items()}
    return {name: keep.json for name, keep in kept.items() if keep is not None}
