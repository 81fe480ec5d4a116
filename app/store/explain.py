"""What explains the state of a job and of a queue, and what scales its workers. Nothing is locked or written."""

from typing import Any, NamedTuple

from app.domain import ids, scaling
from app.domain.attempts import Outcome
from app.domain.endpoint import Limiter
from app.domain.explain import REASON_MAX, EndpointState, Ground, JobState, PausedSchedule
from app.domain.job import PRIORITY_MAX
from app.domain.pace import BATCHED, EXACT, WINDOW, Ahead, Line, Spot
from app.domain.queue import Pause
from app.domain.scaling import Runs
from app.domain.states import Status
from app.domain.workers import SEEN_S
from app.postgres.database import Connection
from app.store.statements import Statement

_job = Statement("explain/job")
_ground = Statement("explain/ground")
_ahead = Statement("explain/ahead")
_line = Statement("explain/line")
_batch = Statement("explain/batch")
_soon = Statement("explain/soon")
_runs = Statement("explain/runs")
_paused_schedules = Statement("explain/paused_schedules")


def job(conn: Connection, *, queue: str, job_id: str) -> JobState | None:
    """Return what explains the state of a job; None if there is none."""
    number = ids.generated(job_id)
    found = _job.rows(
        conn,
        queue=queue,
        numbers=[] if number is None else [number],
        custom_ids=[] if ids.is_digits(job_id) else [job_id],
        reason_max=REASON_MAX,
    )
    if not found:
        return None
    [row] = found
    same = {name: getattr(row, name) for name in _SAME}
    return JobState(
        queue=queue,
        id=job_id,
        status=Status(row.status),
        spot=Spot(row.priority, row.place),
        last_outcome=None if row.outcome is None else Outcome(row.outcome),
        last_ended_at=row.ended_at,
        last_worker=row.worker,
        **same,
    )


_SAME = (
    *("at", "number", "run_at", "added_at", "delay_ms", "attempts_made", "attempts", "attempts_started", "start_by"),
    *("leased_until", "processed_at", "processed_by", "finished_at", "cancel_requested_at"),
    *("failed_reason", "failed_code"),
)


def ground(conn: Connection, *, queue: str) -> Ground:
    """Return what holds for all jobs of a queue."""
    [row] = _ground.rows(conn, queue=queue, seen_s=SEEN_S)
    pause = None if row.paused_at is None else Pause(at=row.paused_at, by=row.paused_by, reason=row.pause_reason)
    endpoint = _endpoint(row) if row.has_endpoint else None
    return Ground(
        queue=queue,
        at=row.at,
        pause=pause,
        endpoint=endpoint,
        workers=row.workers,
        dispatchers=row.dispatchers,
        slots=row.slots,
        busy=row.busy,
        has_traces=row.has_traces,
    )


def paused_schedules(conn: Connection, *, queue: str, most: int) -> list[PausedSchedule]:
    """Return schedules of a queue that are paused, by id, up to `most`."""
    return [
        PausedSchedule(row.id, row.paused_at, row.paused_by)
        for row in _paused_schedules.rows(conn, queue=queue, limit=most)
    ]


def _endpoint(row: Any) -> EndpointState:
    limiter = None if row.limiter_max is None else Limiter(max_calls=row.limiter_max, window_ms=row.limiter_ms)
    return EndpointState(
        switched_off_at=row.switched_off_at,
        switched_off_reason=row.switched_off_reason,
        paused_until=row.paused_until,
        limiter=limiter,
        window_started_at=row.window_started_at,
        window_count=row.window_count,
    )


class Walked(NamedTuple):
    """So many jobs are before a place, `most` at most, and the place of the last one counted."""

    jobs: int
    last: Spot


def ahead(conn: Connection, *, queue: str, spot: Spot) -> Walked:
    """Count the ready jobs before a place, up to EXACT + 1 of them."""
    [row] = _ahead.rows(conn, queue=queue, priority=spot.priority, place=spot.place, most=EXACT + 1)
    return Walked(row.jobs, spot if row.jobs == 0 else Spot(row.priority, row.place))


def line(conn: Connection, *, queue: str, spot: Spot, near: Walked, waiting: int, ready: int) -> Line:
    """Return what an estimate needs of the place of a job that has more than EXACT before it."""
    to_priority = PRIORITY_MAX if spot.priority else 0
    asked = {"queue": queue, "priority": spot.priority, "place": spot.place, "to_priority": to_priority}
    [row] = _line.rows(conn, **asked, most=EXACT + 1)
    return Line(
        walked=near.jobs,
        near=near.last,
        after=row.jobs,
        far=None if row.jobs == 0 else Spot(row.priority, row.place),
        is_end=row.jobs <= EXACT,
        waiting=waiting,
        ready=ready,
        prioritized=None if row.first_priority is None else Spot(row.first_priority, row.first_place),
    )


def batch(conn: Connection, *, queue: str) -> float:
    """Return how many jobs of a queue are claimed together, as a job finds it on average; at least 1."""
    [row] = _batch.rows(conn, queue=queue, most=BATCHED, within_s=WINDOW * 60)
    return float(row.jobs)


def exact(walked: Walked) -> Ahead | None:
    """Return how many jobs are before a place, if they were all counted."""
    return Ahead(walked.jobs, is_exact=True) if walked.jobs <= EXACT else None


def due_soon(conn: Connection, *, queue: str, within_s: int, delayed: int) -> int:
    """Return how many delayed jobs are due within so many seconds; beyond `scaling.DUE_MAX` an estimate."""
    [row] = _soon.rows(conn, queue=queue, within_s=within_s, most=scaling.DUE_MAX + 1)
    return scaling.due_soon(counted=row.jobs, last_s=row.last_s or 0.0, target_s=within_s, delayed=delayed)


def runs(conn: Connection, *, queue: str) -> Runs:
    """Return how long jobs ran lately."""
    found = _runs.rows(conn, queue=queue, most=scaling.RUNS, within_s=scaling.RUNS_S)
    return Runs(by_status={Status(row.status): (row.jobs, row.run_s) for row in found})
