"""The steps of an obliterate: each removes some jobs for good; the last one forgets what the queue sets."""

import dataclasses

from app.domain.audit import Act, Actor
from app.domain.jobfilter import JobFilter
from app.domain.plan import Plan, PlanStatus
from app.domain.states import ACTIVE
from app.operations.settings import queue_members
from app.postgres.database import Connection
from app.store import audit, deduplications, jobs, minutes, queues, schedules, search
from app.store.search import Searched

ACTIVE_LEFT = "jobs became active meanwhile: obliterate the queue again when they have ended"


def step(conn: Connection, plan: Plan, most: int) -> Plan:
    """Remove the next jobs of a queue that is paused; at the end its settings, and the pause.

    Its schedules and deduplication ids go before the jobs: else they would add some, and what is stored would follow
    the jobs that hold ids. So are the locks of all three taken in the order of everywhere else.
    """
    if schedules.forget_queue(conn, queue=plan.queue, limit=most) == most:
        return plan  # more in the next step
    if deduplications.forget_queue(conn, queue=plan.queue, limit=most) == most:
        return plan  # more in the next step
    found = _search(conn, plan, plan.wanted, after=plan.at, most=most)
    done = plan.done + _remove(conn, plan, found.numbers)
    plan = dataclasses.replace(plan, at=plan.at if found.last is None else found.last, done=done, matched=done)
    if not found.is_complete or len(found.numbers) == most:
        return plan
    if _search(conn, plan, plan.wanted).numbers:
        return dataclasses.replace(plan, at=0)  # some came from a transaction that had not been committed
    return _forget(conn, plan)


def _search(conn: Connection, plan: Plan, wanted: JobFilter, *, after: int = 0, most: int = 1) -> Searched:
    return search.search(
        conn, queue=plan.queue, wanted=wanted, after=after, until=plan.until, newest_first=False, most=most
    )


def _remove(conn: Connection, plan: Plan, numbers: list[int]) -> int:
    if not numbers:
        return 0
    locked = jobs.lock(conn, queue=plan.queue, numbers=numbers)
    active = [job.number for job in locked if job.status in ACTIVE]
    others = [job.number for job in locked if job.status not in ACTIVE]
    removed = jobs.remove(conn, queue=plan.queue, numbers=others)
    return removed + (jobs.remove_active(conn, queue=plan.queue, numbers=active) if _takes_active(plan) else 0)


def _takes_active(plan: Plan) -> bool:
    return bool(ACTIVE & {*plan.wanted.statuses})


def _forget(conn: Connection, plan: Plan) -> Plan:
    """Forget the settings of the queue, unless a job was claimed that the pause could not await."""
    if _search(conn, plan, JobFilter(statuses=tuple(ACTIVE))).numbers:
        return dataclasses.replace(plan, status=PlanStatus.FAILED, reason=ACTIVE_LEFT)
    before = queue_members(queues.find(conn, queue=plan.queue))
    queues.forget(conn, queue=plan.queue)
    minutes.forget_queue(conn, queue=plan.queue)
    forgotten = Act(action="queues.forget", queue=plan.queue, target=plan.id, before=before)
    audit.note(conn, Actor(id=plan.created_by), forgotten)
    return dataclasses.replace(plan, status=PlanStatus.APPLIED)
