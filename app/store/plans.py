"""Plans, the jobs that they mean, and those that they removed or retried."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.domain import ids, jobfilter
from app.domain.job import Change, Job, JsonText
from app.domain.jobfilter import JobFilter
from app.domain.plan import (
    IDLE_KEPT_S,
    KEPT_S,
    PLANNED_S,
    UNFINISHED,
    UNFINISHED_MAX,
    Plan,
    PlanAction,
    PlanStatus,
    RunningPlan,
)
from app.postgres.database import Connection
from app.store import rows
from app.store.statements import Statement

_begin = Statement("plans/begin")
_add = Statement("plans/add")
_find = Statement("plans/find")
_lock = Statement("plans/lock")
_try_lock = Statement("plans/try_lock")
_page = Statement("plans/page")
_page_of_all = Statement("plans/page_of_all")
_meaning = Statement("plans/meaning")
_lock_queue = Statement("plans/lock_queue")
_running = Statement("plans/running")
_save = Statement("plans/save")
_write_down = Statement("plans/write_down")
_first = Statement("plans/first")
_cross_out = Statement("plans/cross_out")
_sample = Statement("plans/sample")
_left_retried = Statement("plans/left_retried")
_left_removed = Statement("plans/left_removed")
_remove_by_plan = Statement("plans/remove_by_plan")
_restore = Statement("plans/restore")
_forget_removed = Statement("plans/forget_removed")
_retry_by_plan = Statement("plans/retry_by_plan")
_first_retried = Statement("plans/first_retried")
_undo_retry = Statement("plans/undo_retry")
_forget_retried = Statement("plans/forget_retried")
_ended = Statement("plans/ended")
_forget = Statement("plans/forget")
NO_NUMBER = 2**63 - 1
"""Above the numbers of all jobs."""


class Begin(NamedTuple):
    """Where a plan begins: a number above those of all jobs there are, and the time in ms, by the database's clock."""

    number: int
    now_ms: int


def begin(conn: Connection) -> Begin:
    """Return a number that is below those of all jobs that are added later, and the time."""
    [row] = _begin.rows(conn)
    return Begin(row.number, row.now_ms)


def add(
    conn: Connection,
    *,
    queue: str,
    plan_id: str,
    action: PlanAction,
    wanted: JobFilter,
    change: Change | None,
    until: int,
    created_by: str,
    is_direct: bool = False,
    most: int | None = None,
) -> Plan | None:
    """Add a plan for jobs with numbers up to `until`; return it, None if UNFINISHED_MAX of the queue are unfinished.

    `is_direct`: it is being applied then, to `most` jobs at most; such plans are counted apart.
    """
    lock_queue(conn, queue=queue)
    values = None if change is None else {name: value for name, value in _values(change) if value is not None}
    found = _add.rows(
        conn,
        queue=queue,
        id=plan_id,
        action=action,
        filter=json.dumps(wanted.json),
        change=None if values is None else json.dumps(values),
        until=until,
        created_by=created_by,
        is_direct=is_direct,
        most=most,
        limit=UNFINISHED_MAX,
    )
    return _plan(found[0]) if found else None


def find(conn: Connection, *, queue: str, plan_id: str) -> Plan | None:
    """Return a plan; None if the queue has none with this id."""
    found = _find.rows(conn, queue=queue, id=ids.lease_token(plan_id))
    return _plan(found[0]) if found else None


def lock(conn: Connection, *, queue: str, plan_id: str, waits: bool = True) -> Plan | None:
    """Lock a plan until the transaction ends. None if there is none, or, without `waits`, if another has locked it."""
    found = (_lock if waits else _try_lock).rows(conn, queue=queue, id=ids.lease_token(plan_id))
    return _plan(found[0]) if found else None


def page(conn: Connection, *, queue: str, start: int, length: int) -> list[Plan]:
    """Return plans of a queue, the newest first."""
    return [*map(_plan, _page.rows(conn, queue=queue, start=start, length=length))]


def page_of_all(conn: Connection, *, allowed: Sequence[str], start: int, length: int) -> list[Plan]:
    """Return plans of the queues that match one pattern of LIKE: those that go on first, each the newest first."""
    return [*map(_plan, _page_of_all.rows(conn, allowed=allowed, start=start, length=length))]


def meaning(conn: Connection, *, queue: str, number: int | None) -> list[tuple[Plan, bool]]:
    """Return the plans of a queue that are not finished, and whether each has written down the job of a number."""
    rows = _meaning.rows(conn, queue=queue, number=number)
    return [(_plan(row, is_written=None), row.is_written) for row in rows]


def lock_queue(conn: Connection, *, queue: str) -> None:
    """Let no other transaction add or apply a plan of a queue until this one ends. Waits for others."""
    _lock_queue.rows(conn, queue=queue)


def running(conn: Connection) -> list[RunningPlan]:
    """Return the plans of all queues that go on by themselves; of each queue those first that were applied first."""
    found = sorted(_running.rows(conn), key=lambda row: (row.queue, row.applied_at is None, row.applied_at, row.id))
    return [
        RunningPlan(row.queue, str(row.id), PlanStatus(row.status), row.is_direct, row.rate_per_s, row.wait_s)
        for row in found
    ]


def save(conn: Connection, plan: Plan, *, pause_ms: float = 0.0) -> Plan:
    """Store how far a plan is, and after which pause the next step is due; return it. The caller has locked it."""
    [row] = _save.rows(
        conn,
        queue=plan.queue,
        id=plan.id,
        status=plan.status,
        at=plan.at,
        matched=plan.matched,
        rate_per_s=plan.rate_per_s,
        done=plan.done,
        skipped=json.dumps(plan.skipped),
        undone=plan.undone,
        not_undone=plan.not_undone,
        reason=plan.reason,
        has_ended=plan.status not in UNFINISHED,
        pause_ms=pause_ms,
    )
    return _plan(row)


def write_down(conn: Connection, plan: Plan, numbers: Sequence[int]) -> None:
    """Note that a plan means these jobs."""
    _write_down.rows(conn, queue=plan.queue, id=plan.id, numbers=numbers)


def first(conn: Connection, plan: Plan, *, after: int = 0, limit: int) -> list[int]:
    """Return the numbers of the next jobs that a plan means, in ascending order."""
    return [row.number for row in _first.rows(conn, queue=plan.queue, id=plan.id, after=after, limit=limit)]


def cross_out(conn: Connection, plan: Plan, *, after: int = 0, until: int = NO_NUMBER) -> None:
    """Forget that a plan means the jobs with numbers above `after`, up to `until`."""
    _cross_out.rows(conn, queue=plan.queue, id=plan.id, after=after, until=until)


def sample(conn: Connection, plan: Plan, *, limit: int, max_bytes: int) -> list[Job]:
    """Return the first jobs that a plan means, without those whose texts are longer than `max_bytes`."""
    found = _sample.rows(conn, queue=plan.queue, id=plan.id, limit=limit, max_bytes=max_bytes)
    return [*map(rows.job, found)]


def left(conn: Connection, plan: Plan, *, limit: int, max_bytes: int) -> list[Job]:
    """Return the first jobs that the undo of a plan left, or that have their ids; without long ones."""
    left_of = _left_removed if plan.action is PlanAction.REMOVE else _left_retried
    return [*map(rows.job, left_of.rows(conn, queue=plan.queue, id=plan.id, limit=limit, max_bytes=max_bytes))]


def remove(conn: Connection, plan: Plan, numbers: Sequence[int]) -> set[int]:
    """Remove those of the jobs that are not active, so that they can come back; return them. They are locked."""
    return {row.number for row in _remove_by_plan.rows(conn, queue=plan.queue, id=plan.id, numbers=numbers)}


def retry(conn: Connection, plan: Plan, numbers: Sequence[int]) -> set[int]:
    """Retry those of the jobs that have ended, so that it can be undone; return them. Locked; ascending numbers."""
    return {row.number for row in _retry_by_plan.rows(conn, queue=plan.queue, id=plan.id, numbers=numbers)}


class Restored(NamedTuple):
    """How many removed or retried jobs a step looked at, the number of the last one, and how many came back."""

    looked_at: int
    last: int | None
    restored: int


def restore(conn: Connection, plan: Plan, *, after: int, limit: int) -> Restored:
    """Put the next jobs that a plan removed back, as they were, but for those whose custom id is taken."""
    [row] = _restore.rows(conn, queue=plan.queue, id=plan.id, after=after, limit=limit)
    return Restored(row.looked_at, row.last, row.restored)


def first_retried(conn: Connection, plan: Plan, *, after: int, limit: int) -> list[int]:
    """Return the numbers of the next jobs that a plan retried, in ascending order, without those that came back."""
    return [row.number for row in _first_retried.rows(conn, queue=plan.queue, id=plan.id, after=after, limit=limit)]


def undo_retry(conn: Connection, plan: Plan, numbers: Sequence[int]) -> int:
    """Put those of the jobs back that a plan retried and that have not begun since; return how many.

    The caller has locked them.
    """
    [row] = _undo_retry.rows(conn, queue=plan.queue, id=plan.id, numbers=numbers)
    return int(row.undone)


def forget_retried(conn: Connection, queue: str, plan_id: str, *, limit: int) -> int:
    """Forget how jobs that a plan retried were before; return of how many."""
    return len(_forget_retried.rows(conn, queue=queue, id=plan_id, limit=limit))


def forget_removed(conn: Connection, queue: str, plan_id: str, *, limit: int) -> int:
    """Delete jobs that a plan removed, for good, with their attempts and logs; return how many."""
    return len(_forget_removed.rows(conn, queue=queue, id=plan_id, limit=limit))


@dataclass(frozen=True, slots=True)
class EndedPlan:
    """A plan that has ended, or that nobody applied in time."""

    queue: str
    id: str
    is_over: bool  # so long ago that it is forgotten
    is_expired: bool  # it is planned still, and was not applied in time


def ended(conn: Connection) -> list[EndedPlan]:
    """Return the plans that have ended and hold something to forget, and those that were not applied in time."""
    found = _ended.rows(conn, kept_s=KEPT_S, idle_kept_s=IDLE_KEPT_S, planned_s=PLANNED_S)
    return [EndedPlan(row.queue, str(row.id), row.is_over, row.is_expired) for row in found]


def forget(conn: Connection, queue: str, plan_id: str) -> None:
    """Delete a plan that has ended, and whose jobs are forgotten."""
    _forget.rows(conn, queue=queue, id=plan_id)


def _values(change: Change) -> list[tuple[str, Any]]:
    return [(each.name, getattr(change, each.name)) for each in dataclasses.fields(change)]


def _plan(row: Any, **besides: None) -> Plan:
    """Return the plan of a row, without the columns `besides`."""
    change = None if row.change is None else Change(**_json(row.change))
    values = {name: value for name, value in row._asdict().items() if name not in besides} | {
        "id": str(row.id),
        "action": PlanAction(row.action),
        "status": PlanStatus(row.status),
        "skipped": _json(row.skipped),
        "change": change,
    }
    return Plan(wanted=jobfilter.of_json(_json(values.pop("filter"))), **values)


def _json(text: JsonText) -> Any:
    return json.loads(text)
