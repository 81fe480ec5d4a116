"""How many workers a queue needs, by the formula, and where it has no numbers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain import scaling
from app.domain.queue import Pause, Queue, Tally
from app.domain.retention import UNSET
from app.domain.scaling import Runs
from app.domain.states import Status

NO_RUNS = Runs(by_status={})
PAUSE = Pause(at=datetime(2026, 11, 28, tzinfo=UTC), by="env:0", reason=None)


def queue(*, recent: dict[int, Tally] | None = None, pause: Pause | None = None, **counts: int) -> Queue:
    numbers = dict.fromkeys(Status, 0) | {Status(status): number for status, number in counts.items()}
    return Queue(
        name="q",
        counts=numbers,
        pause=pause,
        oldest_ready_at=None,
        next_due_at=None,
        recent=dict.fromkeys((1, 5, 15), Tally()) | (recent or {}),
        retention=UNSET,
        workers=2,
    )


def wanted(found: Queue, *, soon: int = 0, runs: Runs = NO_RUNS, target_s: int = 60, per_worker: int = 10) -> int:
    asked: dict[str, Any] = {"soon": soon, "runs": runs, "target_s": target_s, "per_worker": per_worker}
    return scaling.of(found, oldest_ready_s=None, **asked).wanted


def test_the_formula_is_that_of_the_contract() -> None:
    runs = Runs(by_status={Status.COMPLETED: (200, 2.0)})
    busy = queue(waiting=500, prioritized=100, recent={5: Tally(added=300, completed=600)})
    assert wanted(busy, runs=runs) == 3  # ((600 + 0) / 60 + 1) * 2 / 10 = 2.2
    assert wanted(busy, runs=runs, soon=600) == 5  # ((600 + 600) / 60 + 1) * 2 / 10 = 4.2
    assert wanted(busy, runs=runs, target_s=600, per_worker=1) == 4  # (1 + 1) * 2
    found = scaling.of(busy, soon=0, runs=runs, oldest_ready_s=1.5, target_s=60, per_worker=10)
    assert (found.arrival_per_s, found.service_per_s, found.drain_s, found.workers) == (1.0, 2.0, 300.0, 2)
    assert (found.ready, found.active, found.due_soon, found.oldest_ready_s) == (600, 0, 0, 1.5)


def test_a_queue_whose_runs_nobody_knows_needs_one_worker_if_anything_is_ready() -> None:
    assert wanted(queue()) == 0
    assert wanted(queue(), soon=5) == 0
    assert wanted(queue(waiting=1_000)) == 1


def test_a_queue_never_needs_none_while_something_is_active_or_ready() -> None:
    instant = Runs(by_status={Status.COMPLETED: (1, 0.0)})
    assert wanted(queue(active=1), runs=instant) == 1
    assert wanted(queue(waiting=1), runs=instant) == 1
    assert wanted(queue(), runs=instant) == 0


def test_a_paused_queue_needs_workers_for_its_active_jobs_only() -> None:
    runs = Runs(by_status={Status.COMPLETED: (1, 60.0)})
    assert wanted(queue(waiting=10_000, pause=PAUSE), runs=runs) == 0
    assert wanted(queue(waiting=10_000, active=3, pause=PAUSE), runs=runs) == 1


def test_the_mean_run_is_that_of_completed_and_failed_jobs_by_how_many_there_were() -> None:
    runs = Runs(by_status={Status.COMPLETED: (200, 1.0), Status.FAILED: (200, 31.0)})
    assert runs.mean_s(Tally(completed=900, failed=100)) == pytest.approx(4.0)
    assert runs.mean_s(Tally()) == pytest.approx(16.0)
    assert Runs(by_status={Status.FAILED: (1, 7.0)}).mean_s(Tally(completed=5)) == 7.0
    assert NO_RUNS.mean_s(Tally(completed=5)) is None


def test_jobs_that_are_removed_at_once_tell_their_run_by_how_many_are_active() -> None:
    busy = queue(waiting=60, active=10, recent={15: Tally(completed=900)})  # 1 ended a second, so 10 s each
    assert wanted(busy, per_worker=1) == 10


def test_many_delayed_jobs_are_estimated_by_the_first() -> None:
    few, many = scaling.DUE_MAX, scaling.DUE_MAX + 1
    assert scaling.due_soon(counted=few, last_s=50.0, target_s=60, delayed=20_000) == few
    assert scaling.due_soon(counted=many, last_s=30.0, target_s=60, delayed=100_000) == 2 * many
    assert scaling.due_soon(counted=many, last_s=30.0, target_s=60, delayed=15_000) == 15_000
    assert scaling.due_soon(counted=many, last_s=-1.0, target_s=60, delayed=15_000) == 15_000
