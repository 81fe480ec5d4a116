"""Removing many jobs of a queue at once: drain, clean, obliterate, as plans that are applied at once."""

import time
import uuid

from app.domain.audit import Act, Actor
from app.domain.errors import QueueHasActiveJobs, TooManyPlans
from app.domain.plan import UNFINISHED_MAX, Plan, PlanStatus
from app.domain.removal import Removal
from app.domain.states import Status
from app.operations import operation, plans, queues
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.store import audit, counts
from app.store import plans as store

LIMIT_S = 5.0
"""For so long a call makes steps itself; then the process goes on with the plan that makes the rounds for all."""
OTHERS_S = 0.02
"""The pause before another look at a plan of which another process makes a step."""
REASON = "obliterate"


@operation
def remove(db: Database, *, actor: Actor, queue: str, asked: Removal, limit_s: float = LIMIT_S) -> Plan:
    """Remove the jobs of a drain or a clean; return the plan. It goes on if it is not over after `limit_s`.

    Raises TooManyPlans.
    """
    return go_on(db, _begun(db, actor, queue, asked), limit_s=limit_s)


@operation
def obliterate(db: Database, *, actor: Actor, queue: str, asked: Removal, limit_s: float = LIMIT_S) -> Plan:
    """Pause a queue, remove the jobs that were there at the call, then its settings; return as `remove` does.

    The pause stays until all is removed. Raises QueueHasActiveJobs if active jobs are not to be removed, OlderNodesRun,
    TooManyPlans, and OutcomeUnknown if the queue is paused, and nothing is known of the rest.
    """
    queues.pause(db, actor=actor, queue=queue, reason=REASON)
    try:
        if asked.spares_active:
            _require_no_active(db, queue)
        return go_on(db, _begun(db, actor, queue, asked), limit_s=limit_s)
    except OutcomeUnknown:
        raise
    except TooManyPlans as error:
        raise TooManyPlans(f"{error}. It is paused now") from error
    except DatabaseError as error:
        raise OutcomeUnknown(f"the queue is paused, and nothing of it was removed: {error}") from error


def _require_no_active(db: Database, queue: str) -> None:
    with db.begin() as conn:
        number = counts.count(conn, queue=queue)[Status.ACTIVE]
    if number:
        ways = "repeat this when they have ended, or force it, which removes them too"
        raise QueueHasActiveJobs(f"queue {queue!r} has active jobs: {number}. It is paused now; {ways}")


def _begun(db: Database, actor: Actor, queue: str, asked: Removal) -> Plan:
    with db.begin() as conn:
        begin = store.begin(conn)
        plan = store.add(
            conn,
            queue=queue,
            plan_id=str(uuid.uuid4()),
            action=asked.action,
            wanted=asked.wanted(now_ms=begin.now_ms),
            change=None,
            until=begin.number,
            created_by=actor.id,
            is_direct=True,
            most=asked.most,
        )
        if plan is None:
            raise TooManyPlans(
                f"queue {queue!r} has {UNFINISHED_MAX} plans that remove jobs: wait for them, or stop some"
            )
        act = Act(action=f"queues.{asked.verb}", queue=queue, target=plan.id, affected=0, after=asked.options)
        audit.note(conn, actor, act)
    return plan


@operation
def go_on(db: Database, plan: Plan, *, limit_s: float) -> Plan:
    """Make steps until the plan is over, or the time. It goes on by itself after one that failed, or if much runs.

    Each step takes a permit, so that those who wait for one get it in between.
    """
    ends_at = time.monotonic() + limit_s
    while plan.status is PlanStatus.APPLYING and time.monotonic() < ends_at:
        try:
            with db.long_work() as is_mine:
                done = plans.step(db, queue=plan.queue, plan_id=plan.id) if is_mine else plan
        except DatabaseError:
            break
        if not is_mine:
            break
        if done is None:
            time.sleep(OTHERS_S)
        plan = done or plan
    return plan
