"""A queue that stands still, with real workers and dispatchers: explain alone finds why, and its hint helps."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import rowline

from app.domain.endpoint import Limiter
from app.postgres.database import Database
from tests.support import databases, raw, receivers
from tests.support.clusters import until
from tests.support.receivers import Receiver, says
from tests.support.workers import WorkerProgram, written

NEWER = "update rowline.alembic_version set version_num = '9998', oldest = '9998'"
OLDEST = "update rowline.alembic_version set version_num = '{}', oldest = '{}'"


@pytest.fixture
def queue(db: Database, shared_url: str) -> Iterator[rowline.Queue]:
    """The queue `q` of a real service."""
    with raw.server(shared_url) as server, rowline.Rowline(f"http://127.0.0.1:{server.port}", raw.TOKEN) as api:
        yield api.queue("q")


def codes(queue: rowline.Queue, job: rowline.JobInfo | None = None) -> list[str]:
    return [reason.code for reason in queue.explain(job).reasons]


def test_an_endpoint_that_is_gone_stops_the_queue_until_it_is_registered_again(
    queue: rowline.Queue, db: Database, shared_url: str
) -> None:
    job = queue.add("n", 1)
    assert codes(queue, job) == ["no_worker"]
    with receivers.dispatcher(shared_url), Receiver(says("410 Gone")) as receiver:
        receivers.register(db, receiver.url)
        until(lambda: codes(queue, job) == ["endpoint_off"])
        assert "(the endpoint answered 410 Gone)" in queue.explain(job).sentence
        with Receiver(says("200 OK", b"done")) as works:
            receivers.register(db, works.url)
            assert queue.wait(job, timeout_s=30).result == "done"
        assert codes(queue, job) == ["ended"]


def test_an_endpoint_that_asks_for_a_pause_stops_the_queue(queue: rowline.Queue, db: Database, shared_url: str) -> None:
    job = queue.add("n", 1, attempts=2)
    with (
        receivers.dispatcher(shared_url),
        Receiver(says("503 Service Unavailable", b"", "Retry-After: 600")) as receiver,
    ):
        receivers.register(db, receiver.url)
        until(lambda: codes(queue, job) == ["backoff", "endpoint_paused"])
        later = queue.add("n", 2)
        [reason] = queue.explain(later).reasons
        assert (reason.code, reason.by) == ("endpoint_paused", "endpoint")
        assert queue.explain().status == "blocked"


def test_a_limiter_stops_the_queue_for_its_window(queue: rowline.Queue, db: Database, shared_url: str) -> None:
    with receivers.dispatcher(shared_url), Receiver(says("200 OK")) as receiver:
        receivers.register(db, receiver.url, limiter=Limiter(max_calls=1, window_ms=3_600_000))
        queue.wait(queue.add("n", 1), timeout_s=30)
        job = queue.add("n", 2)
        until(lambda: codes(queue, job) == ["rate"])
        assert codes(queue) == ["rate"]


def test_a_worker_that_has_no_handler_for_a_job_is_named(queue: rowline.Queue, shared_url: str, tmp_path: Path) -> None:
    job = queue.add("unknown", 1)
    with WorkerProgram(shared_url, written(tmp_path, "@rowline.handler('n')\ndef work(job):\n    return 1\n")):
        until(lambda: is_handed_back(queue.explain(job)))


def is_handed_back(found: rowline.Explanation) -> bool:
    """Whether a job waits for a while since no worker had a handler for it, until it is claimed again."""
    is_named = "it may have no handler for the job's name" in found.sentence
    return [reason.code for reason in found.reasons] == ["delayed"] and is_named


def test_a_paused_queue_goes_on_when_the_hint_is_followed(
    queue: rowline.Queue, shared_url: str, tmp_path: Path
) -> None:
    queue.pause("a test")
    job = queue.add("n", 1)
    with WorkerProgram(shared_url, written(tmp_path, "@rowline.handler('n')\ndef work(job):\n    return 1\n")):
        until(lambda: codes(queue, job) == ["paused"])
        [reason] = queue.explain(job).reasons
        assert (reason.by, "(a test)" in reason.text) == ("env:1", True)
        queue.resume()
        assert queue.wait(job, timeout_s=30).result == 1


def test_a_worker_that_waits_for_another_schema_is_why_nobody_works(
    queue: rowline.Queue, shared_url: str, tmp_path: Path
) -> None:
    job = queue.add("n", 1)
    [(revision, oldest)] = databases.ask(shared_url, "select version_num, oldest from rowline.alembic_version")
    databases.run(shared_url, NEWER)
    try:
        handlers = written(tmp_path, "@rowline.handler('n')\ndef work(job):\n    return 1\n")
        with WorkerProgram(shared_url, handlers) as worker:
            worker.expect("schema_awaited")
            until(lambda: codes(queue, job) == ["schema_ahead"])
            assert "Start a newer release of it." in queue.explain(job).sentence
            databases.run(shared_url, OLDEST.format(revision, oldest))
            assert queue.wait(job, timeout_s=30).result == 1
    finally:
        databases.run(shared_url, OLDEST.format(revision, oldest))
