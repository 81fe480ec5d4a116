"""The client says why a job does not run, and how many workers a queue needs."""

import pytest
import rowline

from app.domain.workers import Sighting, Way
from app.operations import workers
from app.postgres.database import Database
from tests.support import work


def test_a_job_is_explained_by_itself_and_by_its_id(queue: rowline.Queue, db: Database) -> None:
    job = queue.add("n", 1, attempts=2)
    found = queue.explain(job)
    assert (found.status, [reason.code for reason in found.reasons]) == ("waiting", ["no_worker"])
    assert str(found) == found.sentence == queue.explain(job.id).sentence
    assert found.reasons[0].hint
    assert found.reasons[0].hint in found.sentence

    workers.note(db, process="0b3c5a8e-6c1f-4a52-9d0e-2f4b7a91c3d7", sightings=[Sighting("q", "w", Way.PYTHON, 1)])
    found = queue.explain(job)
    assert (found.ahead, found.is_ahead_exact, found.start_p50, found.start_p90) == (0, True, None, None)
    whole = queue.explain()
    assert (whole.status, whole.ahead) == ("working", 1)

    work.fail_next(db, reason="broke", delay_ms=60_000)
    [reason] = queue.explain(job).reasons
    assert (reason.code, reason.failed_reason) == ("backoff", "broke")
    assert reason.since is not None
    assert reason.until == reason.since + 60_000
    with pytest.raises(rowline.NotFound):
        queue.explain("no-such")


def test_how_many_workers_a_queue_needs_is_told(queue: rowline.Queue) -> None:
    queue.add("n", 1)
    queue.add("n", 1, delay_ms=60_000)
    found = queue.scaling(target_s=120, per_worker=4)
    assert (found.wanted, found.ready, found.active, found.due_soon, found.workers) == (1, 1, 0, 1, 0)
    assert found.oldest_ready_s is not None
    assert (found.drain_s, found.arrival_per_s >= 0, found.service_per_s) == (None, True, 0.0)
    with pytest.raises(rowline.InvalidRequest):
        queue.scaling(target_s=0)
