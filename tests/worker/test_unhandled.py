"""A job that this worker has no handler for: another worker may have one, so it waits for a while before it fails."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.job import ClaimedJob, LeaseKey
from app.domain.states import Status
from app.postgres.database import Database
from app.queries import history
from app.worker import unhandled
from app.worker.unhandled import Unhandled
from tests.support import raw
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, add, find, in_status, written

WHY = "no handler for jobs called 'newer'; there is one for: older"


@pytest.fixture(params=["database", "service"])
def place(request: pytest.FixtureRequest, shared_url: str) -> Iterator[str]:
    """Where a worker gets its jobs."""
    if request.param == "database":
        yield shared_url
        return
    with raw.server(shared_url) as server:
        yield f"http://127.0.0.1:{server.port}"


def handlers(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return written(folder / name, f"rowline.handler({name!r})(lambda job: {name!r})")


def test_a_job_for_a_newer_release_waits_for_its_worker(db: Database, place: str, tmp_path: Path) -> None:
    job_id = add(db, new("newer"))[0]
    with WorkerProgram(place, handlers(tmp_path, "older")) as old:
        assert WHY in old.expect("job_unhandled", within_s=60)
        assert in_status(db, add(db, new("older"))[0], within_s=60).result == '"older"'
        with WorkerProgram(place, handlers(tmp_path, "newer")):
            old.end(signal.SIGTERM, within_s=60)
            job = in_status(db, job_id, within_s=60)

    assert (job.status, job.result, job.attempts_made, job.stalled_count) == (Status.COMPLETED, '"newer"', 1, 0)


def test_a_job_that_nobody_handles_fails_after_a_while(db: Database, place: str, tmp_path: Path) -> None:
    with WorkerProgram(place, handlers(tmp_path, "older"), unhandled_ms=1_500, promote_ms=50, poll_ms=50):
        job = in_status(db, add(db, new("newer"))[0], within_s=60)

    assert (job.status, job.failed_reason, job.attempts_made) == (Status.FAILED, WHY, 1)
    ran = history.attempts(db, queue=QUEUE, job_id=job.id, start=0, length=10).entries
    assert {one.outcome for one in ran[:-1]} == {"released"}
    assert ran[-1].outcome == "failed"
    assert ran[-1].ended_at is not None
    waited = ran[-1].ended_at - ran[0].started_at  # the worker's wait is within: it hears of a claim later
    assert waited.total_seconds() >= 1.5


def test_without_patience_it_fails_at_once(db: Database, shared_url: str, tmp_path: Path) -> None:
    with WorkerProgram(shared_url, handlers(tmp_path, "older"), unhandled_ms=0):
        job = in_status(db, add(db, new("newer"))[0], within_s=60)
    assert (job.status, job.failed_reason, job.attempts_started) == (Status.FAILED, WHY, 1)


def test_a_handler_that_raises_lookup_error_has_failed(db: Database, shared_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, "@rowline.handler('older')\ndef older(job):\n    raise LookupError('no such letter')")
    with WorkerProgram(shared_url, file):
        job_id = in_status(db, add(db, new("older"))[0], within_s=60).id
    assert find(db, job_id).failed_reason == "LookupError: no such letter"


def taken(nth: int) -> ClaimedJob:
    key = LeaseKey(number=nth, token=str(nth))
    return ClaimedJob(key, str(nth), "newer", "1", "{}", 0, 1, 0, None, 0)  # type: ignore[arg-type]


def test_many_of_them_come_back_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unhandled, "KNOWN_MAX", 1_000)
    known = Unhandled(queue=QUEUE, patience_ms=60_000)
    delays = [known.judge(taken(nth), WHY)["release"] for nth in range(3_000)]
    assert delays[0] == unhandled.PAUSE_MS
    assert 9_000 < delays[999] <= 10_000
    assert max(delays) <= 10_000, "what there is no room for is not noted"
