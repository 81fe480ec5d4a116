"""Reads that explain a job and a queue, and what scales its workers: each in one snapshot."""

import dataclasses

from app.domain import pace, reasons, scaling
from app.domain.errors import JobNotFound
from app.domain.explain import SCHEDULES_MAX, Explanation, Ground, JobState, means, waiting
from app.domain.pace import Ahead, Pace, Spot
from app.domain.plan import Plan, PlanStatus
from app.domain.scaling import Scaling
from app.domain.states import FINAL, READY, Status
from app.postgres.database import Connection, Database
from app.store import counts, minutes, plans, programs, queues
from app.store import explain as store

DISPATCHER = "rowline-dispatcher"
WORKING = ("rowline-worker", DISPATCHER)
APPLIED = (PlanStatus.QUEUED, PlanStatus.APPLYING, PlanStatus.UNDOING)


def job(db: Database, *, queue: str, job_id: str) -> Explanation:
    """Explain why a job does not run, or that it does, or did. Raises JobNotFound, DatabaseError."""
    with db.read() as conn:
        state = store.job(conn, queue=queue, job_id=job_id)
        if state is None:
            raise JobNotFound.of(queue, job_id)
        meant = _plans_of(conn, state)
        if state.status in FINAL or state.status is Status.ACTIVE:
            return reasons.of_job(state, None, meant, ahead=None, pace=None)
        ground = _ground(conn, queue)
        is_ready = state.status in READY
        ahead = _ahead(conn, queue, state.spot) if is_ready else None
        return reasons.of_job(state, ground, meant, ahead=ahead, pace=_pace(conn, queue) if is_ready else None)


def queue(db: Database, *, queue: str) -> Explanation:
    """Explain why the jobs of a queue do not run, or that they do. Raises DatabaseError."""
    with db.read() as conn:
        ground = _ground(conn, queue)
        found = queues.find(conn, queue=queue)
        applied = [plan for plan, _ in plans.meaning(conn, queue=queue, number=None) if plan.status in APPLIED]
        return reasons.of_queue(
            ground,
            found.counts,
            applied,
            next_due_at=found.next_due_at,
            pace=_pace(conn, queue),
            schedules=store.paused_schedules(conn, queue=queue, most=SCHEDULES_MAX),
        )


def scale(db: Database, *, queue: str, target_s: int, per_worker: int) -> Scaling:
    """Return how many workers with `per_worker` slots a queue needs. Raises DatabaseError."""
    with db.read() as conn:
        at = store.ground(conn, queue=queue).at
        found = queues.find(conn, queue=queue)
        soon = store.due_soon(conn, queue=queue, within_s=target_s, delayed=found.counts[Status.DELAYED])
        oldest_at = found.oldest_ready_at
        return scaling.of(
            found,
            soon=soon,
            runs=store.runs(conn, queue=queue),
            oldest_ready_s=None if oldest_at is None else max(0.0, (at - oldest_at).total_seconds()),
            target_s=target_s,
            per_worker=per_worker,
        )


def _plans_of(conn: Connection, state: JobState) -> list[Plan]:
    found = plans.meaning(conn, queue=state.queue, number=state.number)
    return [
        plan
        for plan, is_written in found
        if plan.status is not PlanStatus.UNDOING and means(plan, state, is_written=is_written)
    ]


def _pace(conn: Connection, queue: str) -> Pace | None:
    found = pace.of(minutes.ended(conn, queue=queue, minutes=pace.WINDOW))
    return found and found._replace(batch=store.batch(conn, queue=queue))


def _ahead(conn: Connection, queue: str, spot: Spot) -> Ahead:
    walked = store.ahead(conn, queue=queue, spot=spot)
    if (exact := store.exact(walked)) is not None:
        return exact
    counted = counts.count(conn, queue=queue)
    ready = sum(counted[status] for status in READY)
    waiting = counted[Status.WAITING]
    line = store.line(conn, queue=queue, spot=spot, near=walked, waiting=waiting, ready=ready)
    return Ahead(pace.estimate(spot, line), is_exact=False)


def _ground(conn: Connection, queue: str) -> Ground:
    """Return what holds for all jobs of a queue; if nobody works it, with the programs that wait for the schema.

    A dispatcher that is connected calls each endpoint, also one of which it has not told yet that it does.
    """
    found = store.ground(conn, queue=queue)
    if found.workers or found.dispatchers:
        return found
    connected = [one for one in programs.connected(conn) if one.name in WORKING]
    if not connected:
        return found
    schema, oldest = programs.schema(conn)
    late = waiting(connected, schema=schema, oldest=oldest)
    calls = {(one.name, one.release) for one in connected} - {(one.program, one.release) for one in late}
    is_called = found.endpoint is not None and any(name == DISPATCHER for name, _ in calls)
    return dataclasses.replace(found, waiting=late, dispatchers=int(is_called))
