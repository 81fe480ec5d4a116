"""Queues: pause, resume."""

import contextlib
import time
from typing import NamedTuple

from app.domain.audit import Act, Actor, Members
from app.domain.errors import OlderNodesRun
from app.domain.queue import KNOWN_SINCE, Pause, Queue
from app.operations import operation
from app.postgres.database import Connection, Database, DatabaseError, OutcomeUnknown
from app.store import audit, programs, queues

BARRIER_S = 5.0
"""How long a pause waits for the claims that began before it."""
LOOK_S = 0.01


class Paused(NamedTuple):
    """The queue as it stood when it was paused, and how many claims that began before may still hand out jobs."""

    queue: Queue
    claims_in_flight: int


@operation
def pause(db: Database, *, actor: Actor, queue: str, reason: str | None) -> Paused:
    """Pause a queue; a pause that there is stays as it is. After that no claim hands out a job of it.

    A claim that began before the commit does not see the pause. So this waits for all transactions of the service that
    ran at the commit, up to BARRIER_S, and counts those that are left. Raises OlderNodesRun, and OutcomeUnknown if the
    queue is paused, but the database does not say whether such transactions run.
    """
    with db.begin() as conn:
        found, is_new = queues.pause(conn, queue=queue, by=actor.id, reason=reason)
        audit.note(conn, actor, Act(action="queues.pause", queue=queue, affected=int(is_new), after=_members(found)))
        stands = queues.find(conn, queue=queue)
        require_release(conn, KNOWN_SINCE)
    return Paused(stands, _await_transactions(db))


def require_release(conn: Connection, revision: str) -> None:
    """Require that all programs know what `revision` brought: those that are connected, and those that start later.

    It is the last thing that a transaction does, so that none can start behind its back. Raises OlderNodesRun.
    """
    queues.require_release(conn, revision)
    older = [program for program in programs.connected(conn) if program.is_older_than(revision)]
    if older:
        named = ", ".join(f"{one.name} {one.release or '(before 0010)'}: {one.connections}" for one in older)
        raise OlderNodesRun(f"programs of older releases are connected, which would not obey this: {named}")


def _await_transactions(db: Database) -> int:
    """Wait until the transactions that run now have ended; return how many have not within BARRIER_S."""
    ends_at = time.monotonic() + BARRIER_S
    before: set[str] | None = None
    while time.monotonic() < ends_at and before != set():
        with contextlib.suppress(DatabaseError):  # the next look may succeed
            with db.read_once() as conn:
                running = queues.transactions(conn)
            before = running if before is None else before & running
        if before:
            time.sleep(LOOK_S)
    if before is None:
        raise OutcomeUnknown("the queue is paused, and the database does not say which claims began before that")
    return len(before)


@operation
def resume(db: Database, *, actor: Actor, queue: str) -> Queue:
    """Resume a queue, which need not be paused; return it."""
    with db.begin() as conn:
        found = queues.resume(conn, queue=queue)
        before = _members(found) if found else None
        audit.note(
            conn, actor, Act(action="queues.resume", queue=queue, affected=int(found is not None), before=before)
        )
        stands = queues.find(conn, queue=queue)
    db.notify(queue)
    return stands


def _members(found: Pause) -> Members:
    members = {"pausedBy": found.by, "pauseReason": found.reason}
    return {name: value for name, value in members.items() if value is not None}
