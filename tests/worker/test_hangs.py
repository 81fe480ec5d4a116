"""A slow, hanging or spoilt job holds up no other, and no handler process outlives its worker."""

import signal
from pathlib import Path

import pytest

from app.domain.states import Status
from app.operations import maintenance
from app.postgres.database import Database
from tests.support.clusters import is_alive, until
from tests.support.jobs import make_due, new
from tests.support.workers import WorkerProgram, add, find, in_status, written
from tests.worker.test_deaths import QUICK, begun, handlers, marks, slow

__all__ = ["handlers"]  # a fixture


def warm_up(db: Database) -> None:
    """Have quick jobs done, so that the next ones are handed over in batches."""
    in_status(db, add(db, *(new("quick") for _ in range(30)))[-1])


@pytest.mark.parametrize("name", ["slow", "hog"])
def test_what_waits_behind_a_slow_job_is_given_back(db: Database, shared_url: str, handlers: Path, name: str) -> None:
    with WorkerProgram(shared_url, handlers):
        warm_up(db)
        ids = add(db, new(name, data=slow(20)), *(new("quick") for _ in range(9)))
        begun(handlers, ids[0])
        for job_id in ids[1:]:
            in_status(db, job_id, Status.WAITING)
        with WorkerProgram(shared_url, handlers):
            rest = [in_status(db, job_id) for job_id in ids[1:]]

    assert {(job.status, job.stalled_count, job.attempts_made) for job in rest} == {(Status.COMPLETED, 0, 1)}
    assert sorted(mark[0] for mark in marks(handlers) if mark[0] in ids) == sorted(ids)


def test_a_job_claimed_again_by_its_own_worker_keeps_its_new_lease(
    db: Database, shared_url: str, handlers: Path
) -> None:
    with WorkerProgram(shared_url, handlers, **QUICK | {"worker_processes": 2, "lease_ms": 3_000}) as worker:
        job_id = add(db, new("slow", data=slow(4)))[0]
        begun(handlers, job_id)
        with db.begin() as conn:
            make_due(conn, int(job_id))
        maintenance.recover_stalled(db, max_stalled_count=9)
        begun(handlers, job_id, times=2)
        worker.expect("lease_lost")
        job = in_status(db, job_id)

    assert (job.status, job.stalled_count, job.attempts_started) == (Status.COMPLETED, 1, 2)


def test_a_reason_that_is_no_unicode_is_mended(db: Database, shared_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, "@rowline.handler('odd')\ndef odd(job):\n    raise ValueError('bad \\udcff name \\0')")
    with WorkerProgram(shared_url, file) as worker:
        job = in_status(db, add(db, new("odd"))[0])
        assert worker.process.poll() is None

    assert job.failed_reason == "ValueError: bad ? name \N{REPLACEMENT CHARACTER}"


def test_a_handler_process_whose_answers_nobody_read_ends_with_its_worker(
    db: Database, shared_url: str, handlers: Path
) -> None:
    with WorkerProgram(shared_url, handlers) as worker:
        warm_up(db)
        ids = add(db, new("stops its worker"), new("slow", data=slow(60)))
        child = int(begun(handlers, ids[1])[2])  # so the answer to the first one lies unread
        worker.process.kill()
        until(lambda: not is_alive(child))


def test_a_handler_process_of_a_draining_worker_ends_with_it(db: Database, shared_url: str, handlers: Path) -> None:
    with WorkerProgram(shared_url, handlers) as worker:
        job_id = add(db, new("slow", data=slow(60)))[0]
        waiting = add(db, new("quick"))[0]
        child = int(begun(handlers, job_id)[2])
        worker.process.send_signal(signal.SIGTERM)
        in_status(db, waiting, Status.WAITING)
        worker.process.kill()
        until(lambda: not is_alive(child))

    assert find(db, job_id).status is Status.ACTIVE  # until its lease runs out


def test_a_handler_that_forks_does_not_become_two(db: Database, shared_url: str, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        @rowline.handler("fork")
        def fork(job):
            if os.fork() == 0:
                raise SystemExit(3)
            os.wait()
            return "the parent's word"
        """,
    )
    with WorkerProgram(shared_url, file):
        job = in_status(db, add(db, new("fork"))[0])

    assert (job.status, job.result, job.attempts_started) == (Status.COMPLETED, '"the parent\'s word"', 1)


def test_large_results_of_many_jobs_are_settled(db: Database, shared_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, "@rowline.handler('large')\ndef large(job):\n    return 'x' * 900_000")
    with WorkerProgram(shared_url, file, statement_ms=1_000):
        ids = add(db, *(new("large") for _ in range(60)))
        assert {in_status(db, job_id).status for job_id in ids} == {Status.COMPLETED}
