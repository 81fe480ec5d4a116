"""How many workers a queue needs, for what scales them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.queue import Queue, Tally
from app.domain.states import READY, Status

TARGET_S, TARGET_MAX_S = 60, 86_400
PER_WORKER, PER_WORKER_MAX = 10, 10_000
RUNS_S = 15 * 60
"""The mean run is that of jobs that ended so long ago at most."""
RUNS = 200
"""Of so many completed and failed jobs each, the newest, at most."""
DUE_MAX = 10_000
"""So many delayed jobs are counted; more are estimated."""
PACE_WINDOW, RUN_WINDOW = 5, 15
"""The minutes of arrivals and service, and of the run, as in `queue.WINDOWS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """How long the last attempts of jobs ran that ended in RUNS_S: how many jobs, and seconds on average, by status."""

    by_status: Mapping[Status, tuple[int, float]]

    def mean_s(self, tally: Tally) -> float | None:
        """Return the mean over all, if so many completed and failed as `tally` says; None if none is known."""
        parts = [
            (ended or jobs, run_s)
            for status, ended in ((Status.COMPLETED, tally.completed), (Status.FAILED, tally.failed))
            for jobs, run_s in [self.by_status.get(status, (0, 0.0))]
            if jobs
        ]
        jobs = sum(number for number, _ in parts)
        return sum(number * run_s for number, run_s in parts) / jobs if jobs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many workers a queue needs, and what that follows from. Times in seconds."""

    wanted: int
    ready: int
    active: int
    due_soon: int
    oldest_ready_s: float | None
    arrival_per_s: float
    service_per_s: float
    drain_s: float | None
    workers: int


def due_soon(*, counted: int, last_s: float, target_s: int, delayed: int) -> int:
    """Return how many jobs are due within `target_s`: as counted, or beyond DUE_MAX at the pace of those counted.

    `last_s`: in how many seconds the last one counted is due; `delayed`: how many are delayed, the most there can be.
    """
    if counted <= DUE_MAX:
        return counted
    if last_s <= 0:
        return max(counted, delayed)
    return max(counted, min(delayed, round(counted * target_s / last_s)))


def of(queue: Queue, *, soon: int, runs: Runs, oldest_ready_s: float | None, target_s: int, per_worker: int) -> Scaling:
    """Return how many workers with `per_worker` slots begin what is ready, or due by then, within `target_s`.

    A queue that is paused needs none but for its active jobs.
    """
    ready = sum(queue.counts[status] for status in READY)
    active = queue.counts[Status.ACTIVE]
    lately, quarter = queue.recent[PACE_WINDOW], queue.recent[RUN_WINDOW]
    arrival_per_s = lately.added / (PACE_WINDOW * 60)
    service_per_s = (lately.completed + lately.failed) / (PACE_WINDOW * 60)
    run_s = _run_s(runs, quarter, active)
    goes_on = queue.pause is None
    needed = 1 if active or (ready and goes_on) else 0
    if goes_on and run_s is not None:
        needed = max(needed, math.ceil(((ready + soon) / target_s + arrival_per_s) * run_s / per_worker))
    return Scaling(
        wanted=needed,
        ready=ready,
        active=active,
        due_soon=soon,
        oldest_ready_s=oldest_ready_s,
        arrival_per_s=arrival_per_s,
        service_per_s=service_per_s,
        drain_s=ready / service_per_s if service_per_s else None,
        workers=queue.workers,
    )


def _run_s(runs: Runs, quarter: Tally, active: int) -> float | None:
    """Return the mean run; of jobs that are removed at once, of which none is left, by how many are active (Little)."""
    known = runs.mean_s(quarter)
    ended_per_s = (quarter.completed + quarter.failed) / (RUN_WINDOW * 60)
    return active / ended_per_s if known is None and active and ended_per_s else known
