"""Schedules: what people do to them. Their ticks are made by `app/operations/ticks.py`."""

import contextlib
from random import Random
from typing import Any, NamedTuple

from app.domain import scheduled
from app.domain.audit import Act, Actor
from app.domain.errors import Fault, InvalidRequest, ScheduleNotFound
from app.domain.scheduled import KNOWN_SINCE, Asked, Schedule, Wanted
from app.domain.wallclock import TimingInvalid
from app.infra import room
from app.operations import deduplication, operation
from app.operations.adding import Submitted
from app.operations.queues import require_release
from app.operations.ticks import Step
from app.postgres.database import Connection, Database, DatabaseError
from app.store import audit
from app.store import schedules as store


class Put(NamedTuple):
    """A schedule, and whether it is new."""

    schedule: Schedule
    is_new: bool


@operation
def put(db: Database, *, actor: Actor, queue: str, schedule_id: str, asked: Asked, random: Random) -> Put:
    """Make a schedule, or change it; return it. What is due at once is made at once.

    Raises InvalidRequest if there is no tick any more; OlderNodesRun, of a new one.
    """
    with db.begin() as conn:
        before = store.lock(conn, queue=queue, schedule_id=schedule_id)
        now_ms = store.now_ms(conn)
        if before is None:
            step = _create(conn, actor, queue, schedule_id, asked=asked, step=Step(conn, queue, now_ms, random))
            added = step.make()
        else:
            added = 0
            if before.is_due(now_ms) and not before.has_timing_of(asked.wanted):
                added, before = _made_first(conn, before, Step(conn, queue, now_ms, random))
            _change(conn, actor, before, asked, now_ms)
        after = store.lock(conn, queue=queue, schedule_id=schedule_id)
        assert after is not None
        if before is None:
            require_release(conn, KNOWN_SINCE)
    if added:
        db.notify(queue)
    return Put(after, is_new=before is None)


def _create(conn: Connection, actor: Actor, queue: str, schedule_id: str, *, asked: Asked, step: Step) -> Step:
    """Make a schedule; take its first tick, if that is now."""
    is_new = store.add(
        conn,
        queue=queue,
        schedule_id=schedule_id,
        wanted=asked.wanted,
        next_at=_first(asked.wanted, step.now_ms, None),
        is_paused=bool(asked.is_paused),
        created_by=actor.id,
    )
    if not is_new:
        raise DatabaseError("another request made the schedule meanwhile", is_worth_another_try=True)
    after = _members(asked.wanted)
    audit.note(conn, actor, Act(action="schedules.create", queue=queue, target=schedule_id, after=after))
    one = store.lock(conn, queue=queue, schedule_id=schedule_id)
    assert one is not None
    if one.is_due(step.now_ms):
        step.take(one, 0)
    elif asked.immediately and not asked.is_paused:
        step.at_once(one)
    return step


def _made_first(conn: Connection, before: Schedule, step: Step) -> tuple[int, Schedule]:
    """Make what is due by the timing that a schedule had, if that can be; return how many jobs were added, and it."""
    if _can_tick(before):
        step.take(before, 0)
    added = step.make()
    after = store.lock(conn, queue=before.queue, schedule_id=before.id)
    assert after is not None
    return added, after


def _can_tick(one: Schedule) -> bool:
    """Return whether its timing can be computed: this machine may not know its time zone, for example."""
    with contextlib.suppress(TimingInvalid):
        return bool(one.timing)
    return False


def _first(wanted: Wanted, now_ms: int, last_tick_at: int | None) -> int:
    """Return the next tick of a schedule whose timing is new. Raises InvalidRequest if there is none."""
    if wanted.ends_at is not None and wanted.ends_at <= now_ms:
        raise InvalidRequest(Fault("endDate", f"must be later than now, which is {now_ms}"))
    next_at = scheduled.next_of(wanted, now_ms=now_ms, last_tick_at=last_tick_at)
    if next_at is None:
        path = "endDate" if wanted.ends_at is not None else "startDate" if wanted.pattern is None else "pattern"
        raise InvalidRequest(Fault(path, "leaves no tick to come"))
    return next_at


def _change(conn: Connection, actor: Actor, before: Schedule, asked: Asked, now_ms: int) -> None:
    was_paused, wanted = before.paused_at is not None, asked.wanted
    is_paused = was_paused if asked.is_paused is None else asked.is_paused
    if scheduled.same(before, wanted) and is_paused == was_paused:
        return
    next_at = _changed_next(before, wanted, now_ms)
    if was_paused and not is_paused and next_at == before.next_at and next_at is not None and next_at <= now_ms:
        next_at = scheduled.resumed(before, now_ms=now_ms)
    store.replace(conn, before=before, wanted=wanted, next_at=next_at, is_paused=is_paused, by=actor.id)
    first, then = _members(before) | {"paused": was_paused}, _members(wanted) | {"paused": is_paused}
    then |= {name: "changed" for name in ("data", "opts") if getattr(before, name) != getattr(wanted, name)}
    act = Act(action="schedules.change", queue=before.queue, target=before.id, before=first, after=then)
    audit.note(conn, actor, act)


def _changed_next(before: Schedule, wanted: Wanted, now_ms: int) -> int | None:
    """Return the next tick of a schedule that is changed. Raises InvalidRequest if its new timing has none."""
    if wanted.tick_limit is not None and before.ticks >= wanted.tick_limit:
        return None
    if not before.has_timing_of(wanted):
        first = _first(wanted, now_ms, before.last_tick_at)
        return before.next_at if before.is_due(now_ms) and not _can_tick(before) else first
    if before.next_at is None and before.is_over:  # by a limit that is higher now
        return scheduled.next_of(wanted, now_ms=now_ms, last_tick_at=before.last_tick_at)
    return before.next_at


def _members(wanted: Wanted) -> dict[str, Any]:
    """Return what the audit says of a schedule: all but the data and the options of its jobs."""
    members = {
        "every": wanted.every_ms,
        "offset": wanted.offset_ms,
        "pattern": wanted.pattern,
        "tz": wanted.tz,
        "startDate": wanted.starts_at,
        "endDate": wanted.ends_at,
        "limit": wanted.tick_limit,
        "jitter": wanted.jitter_ms or None,
        "misfire": wanted.misfire.value,
        "overlap": wanted.overlap.value,
        "name": wanted.name,
    }
    return {name: value for name, value in members.items() if value is not None}


def _locked(conn: Connection, queue: str, schedule_id: str, *, max_bytes: int | None = room.SMALL) -> Schedule:
    """Lock a schedule; return it without long data, unless `max_bytes` is None. Raises ScheduleNotFound."""
    found = store.lock(conn, queue=queue, schedule_id=schedule_id, max_bytes=max_bytes)
    if found is None:
        raise ScheduleNotFound.of(queue, schedule_id)
    return found


@operation
def remove(db: Database, *, actor: Actor, queue: str, schedule_id: str) -> Schedule:
    """Remove a schedule; return it as it was. The jobs of its ticks stay. Raises ScheduleNotFound."""
    with db.begin() as conn:
        found = _locked(conn, queue, schedule_id)
        store.remove(conn, queue=queue, schedule_id=schedule_id)
        audit.note(conn, actor, Act(action="schedules.remove", queue=queue, target=schedule_id, before=_members(found)))
    return found


@operation
def pause(db: Database, *, actor: Actor, queue: str, schedule_id: str) -> Schedule:
    """Pause a schedule: it makes no ticks. A pause that there is stays as it is. Raises ScheduleNotFound."""
    with db.begin() as conn:
        _locked(conn, queue, schedule_id)
        is_new = store.pause(conn, queue=queue, schedule_id=schedule_id, by=actor.id)
        audit.note(conn, actor, Act(action="schedules.pause", queue=queue, target=schedule_id, affected=int(is_new)))
        return _locked(conn, queue, schedule_id)


@operation
def resume(db: Database, *, actor: Actor, queue: str, schedule_id: str) -> Schedule:
    """Resume a schedule, in its rhythm: the ticks of the pause are not made up for. Raises ScheduleNotFound."""
    with db.begin() as conn:
        found = _locked(conn, queue, schedule_id)
        next_at = found.next_at
        if found.paused_at is not None:
            next_at = scheduled.resumed(found, now_ms=store.now_ms(conn))
        is_paused = store.resume(conn, queue=queue, schedule_id=schedule_id, next_at=next_at)
        act = Act(action="schedules.resume", queue=queue, target=schedule_id, affected=int(is_paused))
        audit.note(conn, actor, act)
        return _locked(conn, queue, schedule_id)


@operation
def run(db: Database, *, actor: Actor, queue: str, schedule_id: str) -> Submitted:
    """Add a job of a schedule now, besides its ticks, whether it is paused, over or neither; return the job.

    Raises ScheduleNotFound.
    """
    with db.begin() as conn:
        found = _locked(conn, queue, schedule_id, max_bytes=None)
        job_id = scheduled.run_id(schedule_id, store.now_ms(conn))
        new = scheduled.job_of(found.template, job_id, jitter_ms=0)
        [submitted] = deduplication.submit(conn, queue=queue, new=[new], held=room.alone())
        after = {"jobId": submitted.job.id, "outcome": submitted.outcome.value}
        audit.note(conn, actor, Act(action="schedules.run", queue=queue, target=schedule_id, after=after))
    db.notify(queue)
    return submitted
