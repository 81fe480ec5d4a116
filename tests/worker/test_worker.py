"""The Python worker with real handlers in real processes."""

import itertools
import json
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.backoff import Backoff, BackoffType
from app.domain.job import JsonText
from app.domain.states import Status
from app.postgres.database import Database
from app.queries import history, workers
from tests.support.clusters import until
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, add, find, in_status, written


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    return written(
        tmp_path,
        """
        @rowline.handler("echo")
        def echo(job):
            return job.data

        @rowline.handler("describe")
        def describe(job):
            return [job.queue, job.name, job.opts, job.priority, job.attempt]

        @rowline.handler("fail")
        def fail(job):
            raise ValueError("this cannot work")

        @rowline.handler("flaky")
        def flaky(job):
            if job.attempt < 3:
                raise RuntimeError(f"attempt {job.attempt} fails")
            return "done"

        @rowline.handler("hopeless")
        def hopeless(job):
            raise rowline.UnrecoverableError("no such customer")

        @rowline.handler("exit")
        def leave(job):
            raise SystemExit(3)

        @rowline.handler("return")
        def give_back(job):
            return {"set": {1}, "nan": float("nan"), "nul": chr(0), "big": "x" * 2_000_000}[job.data]
        """,
    )


def test_a_worker_is_seen_while_it_runs_and_no_more_when_it_has_stopped_in_order(
    db: Database, shared_url: str, handlers: Path
) -> None:
    def seen() -> list[tuple[str, int, int]]:
        return [(one.way, one.slots, one.busy) for one in workers.seen(db, queue=QUEUE)[1]]

    with WorkerProgram(shared_url, handlers, worker_processes=2, worker_threads=3) as worker:
        until(lambda: seen() == [("python", 6, 0)])
        assert worker.end(signal.SIGTERM) == 0
        assert seen() == []


def test_the_result_of_a_handler_is_there_to_read(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers):
        job_id = add(db, new("echo", data=JsonText('{"b": [1, null, "\\u00fc"]}')))[0]
        job = in_status(db, job_id)

    assert job.status is Status.COMPLETED
    assert json.loads(job.result or "") == {"b": [1, None, "ü"]}
    assert job.attempts_made == job.attempts_started == 1
    assert job.processed_by


def test_a_handler_sees_what_the_client_sent(db: Database, shared_url: str, handlers: Path) -> None:
    opts = JsonText('{\n "priority": 7\n}')
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("describe", priority=7, opts=opts))[0])

    assert json.loads(job.result or "") == ["q", "describe", {"priority": 7}, 7, 1]


def test_an_exception_is_a_failure_with_reason_and_stack(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("fail"))[0])

    assert job.status is Status.FAILED
    assert job.failed_reason == "ValueError: this cannot work"
    assert len(job.stacktrace) == 1
    assert "in fail" in job.stacktrace[0]
    assert "rowline/child.py" not in job.stacktrace[0]


@pytest.mark.parametrize("backoff", [None, Backoff(type=BackoffType.EXPONENTIAL, delay_ms=20, jitter=0.5)])
def test_a_job_is_tried_again_until_it_succeeds(
    db: Database, shared_url: str, handlers: Path, backoff: Backoff | None
) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("flaky", attempts=5, backoff=backoff))[0])

    assert job.status is Status.COMPLETED
    assert job.attempts_made == 3
    assert job.failed_reason == "RuntimeError: attempt 2 fails"
    assert len(job.stacktrace) == 2


def test_no_attempt_begins_before_its_backoff_is_over(db: Database, shared_url: str, handlers: Path) -> None:
    backoff = Backoff(type=BackoffType.EXPONENTIAL, delay_ms=100)
    with WorkerProgram(shared_url, handlers, promote_ms=50, poll_ms=50):
        job_id = in_status(db, add(db, new("fail", attempts=4, backoff=backoff))[0]).id

    tried = history.attempts(db, queue="q", job_id=job_id, start=0, length=10).entries
    assert [one.outcome for one in tried] == ["failed"] * 4
    for nth, (before, after) in enumerate(itertools.pairwise(tried)):
        assert before.ended_at
        assert after.started_at - before.ended_at >= timedelta(milliseconds=100 * 2**nth)


def test_a_job_fails_after_its_last_attempt(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("fail", attempts=3))[0])

    assert (job.status, job.attempts_made, len(job.stacktrace)) == (Status.FAILED, 3, 3)


def test_an_unrecoverable_error_ends_the_job_at_once(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new("hopeless", attempts=5))[0])

    assert (job.status, job.attempts_made) == (Status.FAILED, 1)
    assert job.failed_reason == "rowline.UnrecoverableError: no such customer"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("exit", "1", "SystemExit: 3"),
        ("return", '"set"', "the handler's result is not a JSON value"),
        ("return", '"nan"', "the handler's result is not a JSON value"),
        ("return", '"nul"', "the handler's result must not contain \\u0000"),
        ("return", '"big"', "the handler's result must be at most 1048576 bytes"),
    ],
)
def test_what_is_no_result_is_a_failure_that_says_so(
    db: Database, shared_url: str, handlers: Path, name: str, data: str, reason: str
) -> None:
    with WorkerProgram(shared_url, handlers):
        job = in_status(db, add(db, new(name, data=JsonText(data)))[0])

    assert job.status is Status.FAILED
    assert reason in (job.failed_reason or "")


def test_a_sleeping_worker_is_woken_by_a_new_job(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers, poll_ms=60_000) as worker:
        worker.expect("worker_started")
        in_status(db, add(db, new("echo"))[0])
        assert in_status(db, add(db, new("echo"))[0]).status is Status.COMPLETED


def test_a_sleeping_worker_wakes_when_a_delayed_job_is_due(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers, poll_ms=60_000, promote_ms=60_000):
        job = in_status(db, add(db, new("echo", delay_ms=700))[0])

    assert job.processed_at is not None
    assert job.processed_at >= job.run_at


def test_a_worker_without_notifications_finds_jobs_by_itself(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers, poll_ms=200) as worker:
        worker.expect("worker_started")
        in_status(db, add(db, new("echo"))[0])
        with db.begin() as conn:  # past the operation, which would ring
            conn.exec_driver_sql(
                "insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, "
                "added_at, delay_ms, attempts) values ('q', 1000000000, 'echo', '1', '{}', 'waiting', 0, false, 1, "
                "now(), now(), 0, 1)"
            )
        assert in_status(db, "1000000000").status is Status.COMPLETED


def test_a_project_with_a_package_called_app_works(db: Database, shared_url: str, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("WHOSE = 'the user'")
    file = written(
        tmp_path,
        """
        import app

        @rowline.handler("whose")
        def whose(job):
            return app.WHOSE
        """,
    )
    with WorkerProgram(shared_url, file):
        assert in_status(db, add(db, new("whose"))[0]).result == '"the user"'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("pass", "registers no handler"),
        ("rowline.handler(print)", "the name of the jobs is missing: @rowline.handler('name')"),
        ("os._exit(7)", "ended with code 7 while it loaded the file"),
        ("rowline.handler('a')(print); rowline.handler('a')(print)", "two handlers for jobs called 'a'"),
    ],
)
def test_a_handlers_file_that_cannot_be_used_ends_the_start_with_its_cause(
    db: Database, shared_url: str, tmp_path: Path, text: str, told: str
) -> None:
    with WorkerProgram(shared_url, written(tmp_path, text)) as worker:
        assert worker.end() == 1
        assert told in worker.output


def test_an_idle_worker_ends_at_once_with_code_0(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers) as worker:
        worker.expect("worker_started")
        in_status(db, add(db, new("echo"))[0])
        assert worker.end(signal.SIGTERM) == 0


def test_jobs_are_worked_in_order(db: Database, shared_url: str, handlers: Path) -> None:
    first = add(
        db,
        new("echo", priority=2),
        new("echo"),
        new("echo", priority=1),
        new("echo"),
        new("echo", lifo=True),
    )
    with WorkerProgram(shared_url, handlers, max_batch=1):
        done = [in_status(db, job_id) for job_id in first]

    in_order = sorted(done, key=lambda job: (job.processed_at, job.number))
    assert [first.index(job.id) for job in in_order] == [4, 1, 3, 2, 0]
    assert all(find(db, job_id).status is Status.COMPLETED for job_id in first)
