"""The settings of the service and of queues."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from app.domain import defaults, terms
from app.domain.audit import Act, Actor, Members
from app.domain.errors import QueueNotEmpty
from app.domain.queue import NUMBERS, NUMBERS_SINCE, Queue
from app.domain.retention import SETTINGS, Keep, Retention
from app.operations import operation
from app.operations.queues import require_release
from app.postgres.database import Database
from app.store import audit, queues, settings

_NONE: Mapping[str, Any] = MappingProxyType({})


@operation
def change(db: Database, *, actor: Actor, keeps: Mapping[str, Keep | None]) -> Retention:
    """Change the settings of the service that `keeps` names, fields of `Retention`; None takes one away. Return all."""
    with db.begin() as conn:
        before = settings.find(conn)
        after = settings.change(conn, keeps=keeps)
        audit.note(conn, actor, Act(action="settings.change", before=members(before), after=members(after)))
    return after


@operation
def change_queue(
    db: Database,
    *,
    actor: Actor,
    queue: str,
    keeps: Mapping[str, Keep | None] = _NONE,
    numbers: Mapping[str, int | None] = _NONE,
    wanted: Mapping[str, Any] | None = None,
    keys: Sequence[str] | None = None,
) -> Queue:
    """Change the settings of a queue that are named; None takes one away: then that of the service holds, if any.

    `keeps` names fields of `Retention`, `numbers` those of `Queue` in `domain.queue.NUMBERS`; `wanted` are all its
    defaults, `keys` all its keys; empty: none, None: they stay. Raises OlderNodesRun.
    """
    with db.begin() as conn:
        before = queues.find(conn, queue=queue)
        queues.change(conn, queue=queue, keeps=keeps, numbers=numbers, wanted=wanted, keys=keys)
        after = queues.find(conn, queue=queue)
        act = Act(action="queues.change", queue=queue, before=queue_members(before), after=queue_members(after))
        audit.note(conn, actor, act)
        releases = {NUMBERS_SINCE[name] for name, number in numbers.items() if number is not None}
        releases |= ({defaults.KNOWN_SINCE} if wanted else set()) | ({terms.KNOWN_SINCE} if keys else set())
        for release in sorted(releases):
            require_release(conn, release)
    return after


@operation
def forget_queue(db: Database, *, actor: Actor, queue: str) -> Queue:
    """Delete the settings of a queue without jobs, a pause among them; return the queue. Raises QueueNotEmpty."""
    with db.begin() as conn:
        before = queues.find(conn, queue=queue)
        if sum(before.counts.values()):
            raise QueueNotEmpty(f"queue {queue!r} has jobs: remove them first")
        is_there = queues.forget(conn, queue=queue)
        act = Act(action="queues.forget", queue=queue, affected=int(is_there), before=queue_members(before))
        audit.note(conn, actor, act)
        return queues.find(conn, queue=queue)


def queue_members(queue: Queue) -> Members:
    """Return what a queue sets, for the audit."""
    numbers = {name: getattr(queue, field) for name, field in NUMBERS.items()}
    others = {**numbers, "defaults": queue.defaults or None, "keys": [key.path for key in queue.keys] or None}
    return {**members(queue.retention), **{name: value for name, value in others.items() if value is not None}}


def members(retention: Retention) -> Members:
    """Return the settings that are set, for the audit."""
    kept = {name: getattr(retention, field) for name, field in SETTINGS.items()}
    return {name: keep.json for name, keep in kept.items() if keep is not None}
