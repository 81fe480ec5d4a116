"""Schedules: holding those that are due, moving them on, and what people do to them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.domain.schedule import Misfire, Overlap
from app.domain.scheduled import FIRST_DUE, WANTED, DuePlace, LastJob, Run, Schedule, Wanted
from app.postgres.database import Connection
from app.store import rows
from app.store.statements import Statement

_queues_with_due = Statement("schedules/queues_with_due")
_hold = Statement("schedules/hold")
_held = Statement("schedules/held")
_move = Statement("schedules/move")
_clock = Statement("schedules/clock")
_lock = Statement("schedules/lock")
_add = Statement("schedules/add")
_replace = Statement("schedules/replace")
_pause = Statement("schedules/pause")
_resume = Statement("schedules/resume")
_remove = Statement("schedules/remove")
_find = Statement("schedules/find")
_page = Statement("schedules/page")
_page_of_all = Statement("schedules/page_of_all")
_count = Statement("schedules/count")
_count_all = Statement("schedules/count_all")
_runs = Statement("schedules/runs")
_forget_queue = Statement("schedules/forget_queue")


def queues_with_due(
    conn: Connection, *, limit: int, after: DuePlace = FIRST_DUE, but_of: Sequence[str] = ()
) -> list[DuePlace]:
    """Return the first `limit` schedules that are due, after a place, of all queues but some. Locks nothing."""
    place = {"after_at": after.next_at, "after_queue": after.queue, "after_id": after.id}
    found = _queues_with_due.rows(conn, limit=limit, but_of=[*but_of], **place)
    return [DuePlace(*row) for row in found]


def hold(conn: Connection, *, queue: str, ids: Sequence[str]) -> dict[str, int]:
    """Lock schedules until the transaction ends; return how long the data of each are, in bytes, by id, in order.

    Those that another transaction has locked are not among them.
    """
    return {row.id: row.bytes for row in _hold.rows(conn, queue=queue, ids=ids)}


class Held(NamedTuple):
    """Schedules that are locked, with how their last jobs are, and the time in ms, by the database's clock."""

    schedules: list[Schedule]
    now_ms: int


def held(conn: Connection, *, queue: str, ids: Sequence[str], max_bytes: int | None = None) -> Held:
    """Return schedules that the transaction has locked, by id; their data as `find` does, None: all."""
    found = _held.rows(conn, queue=queue, ids=ids, max_bytes=max_bytes)
    schedules = [_schedule(row, last=None if row.state is None else LastJob(row.state)) for row in found]
    return Held(schedules, found[0].now_ms if found else 0)


class Moved(NamedTuple):
    """How a schedule is after its ticks. `tick_at`, `number`, `job_id`: of the last one that got a job, if any did."""

    next_at: int | None
    made: int
    skipped: int
    tick_at: int | None = None
    number: int | None = None
    job_id: str | None = None


def move(conn: Connection, *, queue: str, moved: Mapping[str, Moved]) -> None:
    """Move on schedules that are locked, by id."""
    ids = sorted(moved)
    each = [moved[one] for one in ids]
    _move.rows(
        conn,
        queue=queue,
        ids=ids,
        nexts=[one.next_at for one in each],
        made=[one.made for one in each],
        skipped=[one.skipped for one in each],
        tick_ats=[one.tick_at for one in each],
        numbers=[one.number for one in each],
        job_ids=[one.job_id for one in each],
    )


def now_ms(conn: Connection) -> int:
    """Return the time in ms, by the database's clock."""
    return int(_clock.rows(conn)[0].ms)


def lock(conn: Connection, *, queue: str, schedule_id: str, max_bytes: int | None = None) -> Schedule | None:
    """Lock a schedule until the transaction ends; return it as `held` does, or None. Waits for its row."""
    if not _lock.rows(conn, queue=queue, id=schedule_id):
        return None
    [found] = held(conn, queue=queue, ids=[schedule_id], max_bytes=max_bytes).schedules
    return found


def add(
    conn: Connection,
    *,
    queue: str,
    schedule_id: str,
    wanted: Wanted,
    next_at: int | None,
    is_paused: bool,
    created_by: str,
) -> bool:
    """Add a schedule; return whether it is new: another transaction may have added it. Waits for that."""
    values = {name: getattr(wanted, name) for name in WANTED}
    others = {"next_at": next_at, "is_paused": is_paused, "created_by": created_by}
    return bool(_add.rows(conn, queue=queue, id=schedule_id, **values, **others))


def replace(
    conn: Connection, *, before: Schedule, wanted: Wanted, next_at: int | None, is_paused: bool, by: str
) -> None:
    """Replace all that a schedule is to do, which is locked; what it counts stays. `by`: who does so."""
    values = {name: getattr(wanted, name) for name in WANTED}
    pauses = is_paused and before.paused_at is None
    others = {"next_at": next_at, "pauses": pauses, "resumes": not is_paused, "paused_by": by}
    _replace.rows(conn, queue=before.queue, id=before.id, **values, **others)


def pause(conn: Connection, *, queue: str, schedule_id: str, by: str) -> bool:
    """Pause a schedule; `by`: who does so; return whether it was not paused. Waits for its row."""
    return bool(_pause.rows(conn, queue=queue, id=schedule_id, paused_by=by))


def resume(conn: Connection, *, queue: str, schedule_id: str, next_at: int | None) -> bool:
    """End the pause of a schedule that is locked; return whether there was one."""
    return bool(_resume.rows(conn, queue=queue, id=schedule_id, next_at=next_at))


def remove(conn: Connection, *, queue: str, schedule_id: str) -> None:
    """Remove a schedule that is locked."""
    _remove.rows(conn, queue=queue, id=schedule_id)


def forget_queue(conn: Connection, *, queue: str, limit: int) -> int:
    """Remove schedules of a queue; return how many."""
    return len(_forget_queue.rows(conn, queue=queue, limit=limit))


class Shown(NamedTuple):
    """A schedule, without the data of its jobs if they are long, and how long they are, in bytes."""

    schedule: Schedule
    bytes: int


def find(conn: Connection, *, queue: str, schedule_id: str, max_bytes: int) -> Shown | None:
    """Return a schedule; None if there is none. Its data are None if they are longer than `max_bytes`."""
    found = _find.rows(conn, queue=queue, id=schedule_id, max_bytes=max_bytes)
    return Shown(_schedule(found[0]), found[0].bytes) if found else None


def page(conn: Connection, *, queue: str, start: int, length: int, max_bytes: int) -> tuple[int, list[Schedule]]:
    """Return how many schedules a queue has, and some of them, by id, each as `find` does."""
    found = _page.rows(conn, queue=queue, start=start, length=length, max_bytes=max_bytes)
    return _count.rows(conn, queue=queue)[0].number, [*map(_schedule, found)]


def page_of_all(
    conn: Connection, *, allowed: Sequence[str], pattern: str, start: int, length: int, max_bytes: int
) -> tuple[int, list[Schedule]]:
    """Return how many schedules the queues have that match `pattern` and one of `allowed`, and some, by queue and id.

    They are patterns of LIKE. Each is as `find` returns it.
    """
    of = {"allowed": allowed, "pattern": pattern}
    found = _page_of_all.rows(conn, **of, start=start, length=length, max_bytes=max_bytes)
    return _count_all.rows(conn, **of)[0].number, [*map(_schedule, found)]


def runs(conn: Connection, *, queue: str, prefix: str, start: int, length: int) -> list[Run]:
    """Return the jobs whose ids are `prefix`, which ends with a colon, and a number; the newest first."""
    below = f"{prefix[:-1]};"  # the character after the colon
    found = _runs.rows(conn, queue=queue, prefix=prefix, below=below, start=start, length=length)
    return [
        Run(
            job_id=row.custom_id,
            status=rows.STATUSES[row.status],
            added_at=row.added_at,
            begun_at=None if row.processed_by is None else row.processed_at,
            finished_at=row.finished_at,
            attempts_made=row.attempts_made,
            failed_reason=row.failed_reason,
            failed_code=row.failed_code,
        )
        for row in found
    ]


_READ = (
    *("queue", "id", "next_at", "ticks", "skipped", "last_tick_at", "last_number", "last_job_id"),
    *("paused_at", "paused_by", "created_at", "created_by", "changed_at"),
    *(name for name in WANTED if name not in {"misfire", "overlap"}),
)


def _schedule(row: Any, *, last: LastJob | None = None) -> Schedule:
    values = {name: getattr(row, name) for name in _READ}
    return Schedule(**values, misfire=Misfire(row.misfire), overlap=Overlap(row.overlap), last=last)
