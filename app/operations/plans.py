"""Plans: create, apply, stop, undo; and their steps, each a transaction that any process can make.

A step locks the row of its plan without waiting, so that two processes never do the same. What a step did and how far
it got are committed together: a process that dies in the middle loses nothing, and the next one goes on.
"""

import contextlib
import dataclasses
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.domain import plan as domain
from app.domain.audit import Act, Actor, Members
from app.domain.errors import PlanDiffers, PlanNotFound, TooManyPlans, WrongPlanStatus
from app.domain.job import Change, LockedJob
from app.domain.jobfilter import LOOKED_MAX, JobFilter
from app.domain.plan import (
    APPLYING_MAX,
    REVERSIBLE,
    RUNNING,
    UNDOABLE,
    UNFINISHED_MAX,
    Plan,
    PlanAction,
    PlanStatus,
    RunningPlan,
)
from app.domain.states import Status
from app.operations import obliterating, operation, verbs
from app.postgres.database import Connection, Database, DatabaseError
from app.store import audit, counts, jobs, plans, search

AT_ONCE = 500
"""Jobs that a step changes."""
FORGOTTEN_AT_ONCE = 100
"""Jobs that a transaction forgets: removed ones may have many log lines, retried ones long results."""

_HIDDEN = {"error", "fingerprint", "data"}
_AGAIN = "For what is left, make a new plan with the same filter"


@operation
def create(
    db: Database, *, actor: Actor, queue: str, action: PlanAction, wanted: JobFilter, change: Change | None = None
) -> Plan:
    """Begin a plan for the jobs that are there and match `wanted`; return it after its first step. Changes no job.

    While much is going on it is returned before that. Raises TooManyPlans.
    """
    with db.begin() as conn:
        made = plans.add(
            conn,
            queue=queue,
            plan_id=str(uuid.uuid4()),
            action=action,
            wanted=wanted,
            change=change,
            until=plans.begin(conn).number,
            created_by=actor.id,
        )
        if made is None:
            raise TooManyPlans(f"queue {queue!r} has {UNFINISHED_MAX} plans that are not finished: apply or stop some")
        after = {"action": action.value, "filter": _shown(wanted), **_hidden(wanted)}
        audit.note(conn, actor, Act(action="plans.create", queue=queue, target=made.id, affected=0, after=after))
    return _first_step(db, made)


def _first_step(db: Database, plan: Plan) -> Plan:
    """Make a step of a plan within a request, unless much is going on, or it fails: it goes on by itself anyhow."""
    with db.long_work() as is_mine:
        if is_mine:
            with contextlib.suppress(DatabaseError):
                return step(db, queue=plan.queue, plan_id=plan.id) or plan
    return plan


@operation
def apply(
    db: Database, *, actor: Actor, queue: str, plan_id: str, matched: int, rate_per_s: float | None = None
) -> Plan:
    """Have a plan applied that is planned; `matched` is the number of jobs that it showed. Return it.

    `rate_per_s`: so many jobs a second at most. Raises PlanNotFound, WrongPlanStatus, PlanDiffers.
    """
    with db.begin() as conn:
        plan = _locked(conn, queue, plan_id)
        if plan.status in {PlanStatus.QUEUED, PlanStatus.APPLYING}:
            raise WrongPlanStatus(f"the plan is being applied already ({plan.status}), and goes on: look at it again")
        if plan.status is not PlanStatus.PLANNED:
            raise WrongPlanStatus(f"the plan is {plan.status}: only one that is planned can be applied. {_AGAIN}")
        if plan.matched != matched:
            raise PlanDiffers(f"the plan means {plan.matched} jobs, not {matched}: look at it again")
        plans.lock_queue(conn, queue=queue)
        others = sum(one.queue == queue and _takes_place(one) for one in plans.running(conn))
        status = PlanStatus.APPLYING if others < APPLYING_MAX else PlanStatus.QUEUED
        after = {"action": plan.action.value, "ratePerS": rate_per_s}
        audit.note(conn, actor, Act(action="plans.apply", queue=queue, target=plan.id, affected=matched, after=after))
        return plans.save(conn, dataclasses.replace(plan, status=status, at=0, rate_per_s=rate_per_s))


@operation
def stop(db: Database, *, actor: Actor, queue: str, plan_id: str) -> Plan:
    """Stop a plan that has not ended: no job is changed any more. Return it. Raises PlanNotFound, WrongPlanStatus."""
    with db.begin() as conn:
        plan = _locked(conn, queue, plan_id)
        if plan.status not in domain.UNFINISHED:
            raise WrongPlanStatus(f"the plan is {plan.status}: there is nothing to stop")
        before: Members = {"status": plan.status.value, "done": plan.done}
        audit.note(conn, actor, Act(action="plans.stop", queue=queue, target=plan.id, affected=0, before=before))
        return plans.save(conn, dataclasses.replace(plan, status=PlanStatus.STOPPED))


@operation
def undo(db: Database, *, actor: Actor, queue: str, plan_id: str) -> Plan:
    """Have the jobs that a plan removed or retried come back as they were. Return it.

    Raises PlanNotFound, WrongPlanStatus.
    """
    with db.begin() as conn:
        plan = _locked(conn, queue, plan_id)
        if plan.action not in REVERSIBLE:
            raise WrongPlanStatus(f"only removals and retries can be undone, not {plan.action}")
        if plan.status not in UNDOABLE and not plan.is_undoable:
            raise WrongPlanStatus(
                f"the plan is {plan.status}: only one that was applied, was stopped or failed can be undone"
            )
        affected = plan.done - plan.undone
        audit.note(conn, actor, Act(action="plans.undo", queue=queue, target=plan.id, affected=affected))
        return plans.save(conn, dataclasses.replace(plan, status=PlanStatus.UNDOING, at=0, not_undone=0))


def _locked(conn: Connection, queue: str, plan_id: str) -> Plan:
    plan = plans.lock(conn, queue=queue, plan_id=plan_id)
    if plan is None:
        raise PlanNotFound(f"queue {queue!r} has no plan {plan_id!r}")
    return plan


def _shown(wanted: JobFilter) -> Members:
    """Return a filter for the audit, without what only who may see payloads may know."""
    return {name: value for name, value in wanted.json.items() if name not in _HIDDEN}


def _hidden(wanted: JobFilter) -> Members:
    """Return which members of a filter the audit does not show, if any."""
    hidden = [name for name in wanted.json if name in _HIDDEN]
    return {"hidden": hidden} if hidden else {}


@operation
def running(db: Database) -> list[RunningPlan]:
    """Return the plans that go on by themselves; a queued one only if its queue may apply another one."""
    with db.begin() as conn:
        found = plans.running(conn)
    taken = Counter(one.queue for one in found if _takes_place(one))
    ready = []
    for one in found:
        if one.status is PlanStatus.QUEUED:
            taken[one.queue] += 1
            if taken[one.queue] > APPLYING_MAX:
                continue
        ready.append(one)
    return ready


def _takes_place(one: RunningPlan) -> bool:
    return one.status is PlanStatus.APPLYING and not one.is_direct


@operation
def is_busy(db: Database, *, queue: str) -> bool:
    """Return whether jobs of a queue are being worked."""
    with db.begin() as conn:
        return counts.count(conn, queue=queue)[Status.ACTIVE] > 0


@operation
def step(db: Database, *, queue: str, plan_id: str, most: int | None = None) -> Plan | None:
    """Go on with a plan: look at some jobs, or change up to `most`, AT_ONCE by default. Return it as it is after that.

    None if another process makes a step, if by its rate none is due, or if there is no such plan.
    """
    began_at = time.monotonic()
    with db.begin() as conn:
        plan = plans.lock(conn, queue=queue, plan_id=plan_id, waits=False)
        if plan is None or plan.status not in RUNNING:
            return plan
        done = _STEPS[plan.status](conn, plan, most or AT_ONCE)
        done = plans.save(conn, done, pause_ms=_pause_ms(plan, done, began_at))
        _note_end(conn, done)
    if plan.status is not PlanStatus.PLANNING:
        db.notify(queue)  # jobs may have become ready, and a claim may have skipped a locked one
    return done


def _pause_ms(before: Plan, after: Plan, began_at: float) -> float:
    """Return how long a plan waits after a step that began then, by its rate."""
    if after.rate_per_s is None or after.status is not PlanStatus.APPLYING:
        return 0.0
    handled = after.done + sum(after.skipped.values()) - before.done - sum(before.skipped.values())
    return max(0.0, handled / after.rate_per_s - (time.monotonic() - began_at)) * 1000


def _note_end(conn: Connection, plan: Plan) -> None:
    """Note in the audit to how many jobs a plan was done that has ended by itself, as an act of who made it."""
    if plan.status in {PlanStatus.APPLIED, PlanStatus.UNDONE, PlanStatus.FAILED}:
        affected = plan.undone if plan.status is PlanStatus.UNDONE else plan.done
        act = Act(action=f"plans.{plan.status}", queue=plan.queue, target=plan.id, affected=affected)
        audit.note(conn, Actor(id=plan.created_by), act)


def _plan(conn: Connection, plan: Plan, _most: int) -> Plan:
    """Write down which of the next jobs match."""
    found = search.search(
        conn,
        queue=plan.queue,
        wanted=plan.wanted,
        after=plan.at,
        until=plan.until,
        newest_first=False,
        most=LOOKED_MAX + 1,
    )
    if found.numbers:
        plans.write_down(conn, plan, found.numbers)
    status = PlanStatus.PLANNED if found.is_complete else PlanStatus.PLANNING
    at = plan.at if found.last is None else found.last
    return dataclasses.replace(plan, at=at, matched=plan.matched + len(found.numbers), status=status)


def _begin(_conn: Connection, plan: Plan, _most: int) -> Plan:
    return dataclasses.replace(plan, status=PlanStatus.APPLYING)


def _apply(conn: Connection, plan: Plan, most: int) -> Plan:
    """Do to the next jobs what the plan says."""
    if plan.action is PlanAction.OBLITERATE:
        return obliterating.step(conn, plan, most)
    if plan.is_direct:
        return _apply_directly(conn, plan, most)
    numbers = plans.first(conn, plan, after=plan.at, limit=most)
    if not numbers:
        return dataclasses.replace(plan, status=PlanStatus.APPLIED)
    plans.cross_out(conn, plan, after=plan.at, until=numbers[-1])
    return dataclasses.replace(_done(conn, plan, numbers), at=numbers[-1])


def _apply_directly(conn: Connection, plan: Plan, most: int) -> Plan:
    """Look for the next jobs, and do to them what the plan says."""
    limit = most if plan.most is None else min(most, plan.most - plan.done)
    found = search.search(
        conn, queue=plan.queue, wanted=plan.wanted, after=plan.at, until=plan.until, newest_first=False, most=limit
    )
    plan = _done(conn, plan, found.numbers)
    is_over = (found.is_complete and len(found.numbers) < limit) or plan.done == plan.most
    return dataclasses.replace(
        plan,
        at=plan.at if found.last is None else found.last,
        matched=plan.matched + len(found.numbers),
        status=PlanStatus.APPLIED if is_over else plan.status,
    )


def _done(conn: Connection, plan: Plan, numbers: Sequence[int]) -> Plan:
    """Lock jobs, and do to those that still match what the plan says; return the plan with how many these were.

    Those that have moved on meanwhile are skipped, and counted by the reason.
    """
    if not numbers:
        return plan
    locked = jobs.lock(conn, queue=plan.queue, numbers=numbers)
    matching = search.matching(conn, queue=plan.queue, wanted=plan.wanted, numbers=[job.number for job in locked])
    skipped = Counter(plan.skipped)
    skipped[domain.NOT_FOUND] += len(numbers) - len(locked)
    meant = []
    for job in locked:
        fault = domain.NOT_MATCHING if job.number not in matching else domain.fault(plan.action, job)
        if fault is None:
            meant.append(job)
        else:
            skipped[fault] += 1
    if meant:
        _VERBS[plan.action](conn, plan, meant)
    return dataclasses.replace(plan, done=plan.done + len(meant), skipped=dict(+skipped))


def _undo(conn: Connection, plan: Plan, most: int) -> Plan:
    """Put back the next jobs that the plan removed or retried, as they were."""
    is_removal = plan.action is PlanAction.REMOVE
    found = (plans.restore if is_removal else _undo_retries)(conn, plan, after=plan.at, limit=most)
    undone, is_over = plan.undone + found.restored, found.looked_at < most
    not_undone = plan.not_undone + found.looked_at - found.restored
    if is_over and not is_removal:
        not_undone = plan.done - undone  # a release before retried some, and kept nothing of them
    return dataclasses.replace(
        plan,
        at=plan.at if found.last is None else found.last,
        undone=undone,
        not_undone=not_undone,
        status=PlanStatus.UNDONE if is_over else PlanStatus.UNDOING,
    )


def _undo_retries(conn: Connection, plan: Plan, *, after: int, limit: int) -> plans.Restored:
    numbers = plans.first_retried(conn, plan, after=after, limit=limit)
    if not numbers:
        return plans.Restored(0, None, 0)
    jobs.lock(conn, queue=plan.queue, numbers=numbers)
    return plans.Restored(len(numbers), numbers[-1], plans.undo_retry(conn, plan, numbers))


def _change(conn: Connection, plan: Plan, meant: Sequence[LockedJob]) -> Any:
    assert plan.change is not None
    return verbs.change(conn, plan.queue, meant, plan.change)


def _cancel(conn: Connection, plan: Plan, meant: Sequence[LockedJob]) -> Any:
    verbs.cancel(conn, plan.queue, meant)
    return verbs.remove_at_once(conn, plan.queue, meant)


_STEPS: Mapping[PlanStatus, Callable[[Connection, Plan, int], Plan]] = {
    PlanStatus.PLANNING: _plan,
    PlanStatus.QUEUED: _begin,
    PlanStatus.APPLYING: _apply,
    PlanStatus.UNDOING: _undo,
}
_VERBS: Mapping[PlanAction, Callable[[Connection, Plan, Sequence[LockedJob]], Any]] = {
    PlanAction.REMOVE: lambda conn, plan, meant: plans.remove(conn, plan, [job.number for job in meant]),
    PlanAction.RETRY: lambda conn, plan, meant: plans.retry(conn, plan, [job.number for job in meant]),
    PlanAction.PROMOTE: lambda conn, plan, meant: verbs.promote_now(conn, plan.queue, meant),
    PlanAction.CANCEL: _cancel,
    PlanAction.CHANGE: _change,
}


@operation
def fail(db: Database, *, queue: str, plan_id: str, reason: str) -> None:
    """End a plan whose step fails each time."""
    with db.begin() as conn:
        plan = plans.lock(conn, queue=queue, plan_id=plan_id, waits=False)
        if plan is not None and plan.status in RUNNING:
            _note_end(conn, plans.save(conn, dataclasses.replace(plan, status=PlanStatus.FAILED, reason=reason)))


@operation
def forget(db: Database) -> None:
    """Let plans expire that were not applied in time; forget what ended ones hold, and plans that ended long ago."""
    with db.begin() as conn:
        found = plans.ended(conn)
    for one in found:
        if one.is_expired:
            with db.begin() as conn:
                plan = plans.lock(conn, queue=one.queue, plan_id=one.id)
                if plan is not None and plan.status is PlanStatus.PLANNED:
                    plans.save(conn, dataclasses.replace(plan, status=PlanStatus.EXPIRED))
        _forget_meant(db, one)
        if one.is_over:
            _forget_whole(db, one)


def _forget_meant(db: Database, one: plans.EndedPlan) -> None:
    """Forget, in steps, which jobs a plan that has ended meant."""
    numbers = [0]
    while numbers:
        with db.begin() as conn:
            plan = plans.lock(conn, queue=one.queue, plan_id=one.id)
            numbers = plans.first(conn, plan, limit=LOOKED_MAX) if plan and plan.ended_at else []
            if plan and numbers:
                plans.cross_out(conn, plan, until=numbers[-1])


def _forget_whole(db: Database, one: plans.EndedPlan) -> None:
    for forget in (plans.forget_removed, plans.forget_retried):
        forgotten = FORGOTTEN_AT_ONCE
        while forgotten == FORGOTTEN_AT_ONCE:
            with db.begin() as conn:
                plan = plans.lock(conn, queue=one.queue, plan_id=one.id)
                if plan is None or plan.ended_at is None:
                    return  # it is being undone
                forgotten = forget(conn, one.queue, one.id, limit=FORGOTTEN_AT_ONCE)
    with db.begin() as conn:
        plans.forget(conn, one.queue, one.id)
