"""Removing many jobs of a queue by hand: drain, clean, obliterate. In bounded steps, within a time limit."""

import contextlib
import time

from app.domain.audit import Act, Actor, Members
from app.domain.errors import QueueHasActiveJobs
from app.domain.removal import Position, Removal, Removed
from app.domain.states import ACTIVE, Status
from app.operations import operation, queues
from app.operations.settings import queue_members
from app.postgres.database import Connection, Database, DatabaseError, OutcomeUnknown
from app.store import audit, counts, removal
from app.store import queues as store

AT_ONCE = 500
"""Jobs that a transaction looks at."""
FEW = 10
"""The same after one that failed: 500 jobs may have millions of log lines, which cannot be deleted in time."""
QUICK_S = 0.25
"""After a step that took less, the next one is twice as large."""
LIMIT_S = 5.0
"""After so long no step of a call begins any more: who asked goes on by another one."""
REASON = "obliterate"


@operation
def remove(db: Database, *, actor: Actor, queue: str, asked: Removal, begin: Position | None = None) -> Removed:
    """Remove the jobs of a drain or a clean; return how many, and where the next call goes on (`begin`)."""
    return _Call(db, actor, queue, asked).run(begin or _begun(db))


@operation
def obliterate(db: Database, *, actor: Actor, queue: str, asked: Removal, begin: Position | None = None) -> Removed:
    """Pause a queue, remove the jobs that were there at the call, then its settings; return as `remove` does.

    The pause stays until all is removed. Raises QueueHasActiveJobs if active jobs are not to be removed, OlderNodesRun,
    and OutcomeUnknown if the queue is paused, and nothing is known of the rest.
    """
    call = _Call(db, actor, queue, asked)
    begin = begin._replace(nth=0, after=0) if begin else _begun(db)
    queues.pause(db, actor=actor, queue=queue, reason=REASON)
    try:
        if call.spares_active:
            _require_no_active(db, queue)
        return call.run(begin)
    except OutcomeUnknown:
        raise
    except DatabaseError as error:
        raise OutcomeUnknown(f"the queue is paused, and nothing of it was removed: {error}") from error


def _begun(db: Database) -> Position:
    with db.begin() as conn:
        return Position(until=removal.next_number(conn))


def _require_no_active(db: Database, queue: str) -> None:
    with db.begin() as conn:
        number = counts.count(conn, queue=queue)[Status.ACTIVE]
    if number:
        ways = "repeat this when they have ended, or force it, which removes them too"
        raise QueueHasActiveJobs(f"queue {queue!r} has active jobs: {number}. It is paused now; {ways}")


class _Call:
    """One call. Each step is a transaction; the first that removes something is noted in the audit, then the others."""

    def __init__(self, db: Database, actor: Actor, queue: str, asked: Removal) -> None:
        """Begin to count the time."""
        self._db, self._actor, self._queue, self._asked = db, actor, queue, asked
        self._ends_at = time.monotonic() + LIMIT_S
        self._at_once = AT_ONCE
        self._looked_at = 0  # in this round through the statuses
        self._removed = 0
        self._noted: int | None = None  # how many of these are in the audit; None: the call is not there

    @property
    def spares_active(self) -> bool:
        """Whether active jobs are not removed."""
        return not ACTIVE & {*self._asked.statuses}

    def run(self, at: Position) -> Removed:
        """Make steps until all is removed or the time is over. Raises DatabaseError if nothing was removed."""
        is_last = False
        try:
            while not is_last:
                at, is_last = self._sized_step(at)
        except DatabaseError as error:
            self._note_rest()
            if isinstance(error, OutcomeUnknown) or not self._removed:
                raise
        finally:
            self._db.notify(self._queue)  # claims skipped the jobs of a step that failed; or the pause has ended
        return Removed(self._removed, None if self._is_over(at) else at)

    def _is_over(self, at: Position) -> bool:
        return at.nth >= len(self._asked.statuses)

    def _sized_step(self, at: Position) -> tuple[Position, bool]:
        """Make a step; one that failed has a small one follow. Raises DatabaseError if that fails too, or is late."""
        began_at = time.monotonic()
        try:
            done = self._step(at)
        except DatabaseError as error:
            is_hopeless = isinstance(error, OutcomeUnknown) or self._at_once <= FEW
            if is_hopeless or time.monotonic() >= self._ends_at:
                raise
            self._at_once = FEW
            return at, False
        if time.monotonic() - began_at < QUICK_S:
            self._at_once = min(AT_ONCE, 2 * self._at_once)
        return done

    def _step(self, begin: Position) -> tuple[Position, bool]:
        """Look at some jobs; return where the next step goes on, and whether this was the last one of the call."""
        at, left = begin, self._at_once
        forgotten: Members | None = None
        with self._db.begin() as conn:
            while left > 0 and not self._is_over(at):
                looked_at, at = self._look(conn, at, left)
                left -= looked_at
            if self._is_over(at) and self._asked.is_of_queue:
                at, forgotten = self._forget(conn, at)
            is_last = self._is_over(at) or time.monotonic() >= self._ends_at
            removed = self._removed + at.removed - begin.removed
            is_noted = self._note(conn, removed, is_last=is_last, forgotten=forgotten)
        self._removed = removed
        self._noted = removed if is_noted else self._noted
        return at, is_last

    def _look(self, conn: Connection, at: Position, limit: int) -> tuple[int, Position]:
        """Look at jobs of one status; return how many, and where to go on."""
        asked = self._asked
        found = removal.remove(
            conn,
            queue=self._queue,
            status=asked.statuses[at.nth],
            grace_ms=asked.grace_ms,
            after=at.after,
            until=at.until,
            limit=limit,
            most=limit if asked.most is None else asked.most - at.removed,
        )
        self._looked_at += found.looked_at
        at = at._replace(removed=at.removed + found.removed)
        if at.removed == asked.most:
            return found.looked_at, at._replace(nth=len(asked.statuses))
        if found.last is not None and found.looked_at == limit:
            return found.looked_at, at._replace(after=found.last)
        at = at._replace(nth=at.nth + 1, after=0)
        if self._is_over(at) and asked.is_of_queue and self._looked_at:
            self._looked_at, at = 0, at._replace(nth=0)  # some may have moved to a status that was passed
        return found.looked_at, at

    def _forget(self, conn: Connection, at: Position) -> tuple[Position, Members | None]:
        """Forget what the queue sets; return that. Not if there are active jobs: then begin again at the next call."""
        if self.spares_active and removal.active(conn, queue=self._queue, until=at.until, limit=1):
            self._ends_at = 0.0  # it was claimed by a transaction that the pause could not await
            return at._replace(nth=0), None
        before = queue_members(store.find(conn, queue=self._queue))
        store.forget(conn, queue=self._queue)
        return at, before

    def _note(self, conn: Connection, removed: int, *, is_last: bool, forgotten: Members | None) -> bool:
        """Note what is not in the audit yet; return whether that was due."""
        new = removed - (self._noted or 0)
        is_due = new > 0 and (is_last or self._noted is None)
        if not is_due and not (is_last and self._noted is None) and forgotten is None:
            return False
        act = Act(
            action=f"queues.{self._asked.verb}",
            queue=self._queue,
            affected=new,
            before=forgotten,
            after=self._asked.options,
        )
        audit.note(conn, self._actor, act)
        return True

    def _note_rest(self) -> None:
        """Note what was removed before a step failed."""
        if self._removed > (self._noted or 0):
            with contextlib.suppress(DatabaseError), self._db.begin() as conn:
                self._note(conn, self._removed, is_last=True, forgotten=None)
