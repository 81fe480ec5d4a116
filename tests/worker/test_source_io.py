"""What a worker does while its source is asked and told: it goes on, in order, and nothing that was told is lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.domain.job import ClaimedJob
from app.domain.states import Status
from app.infra.settings import Settings
from app.postgres.coroutine import DatabaseCoroutine
from app.postgres.database import Database
from app.queries import history
from app.worker.completer import OUTCOMES_BYTES, Completer
from app.worker.heartbeats import HeldLeases
from app.worker.source_io import LARGE, SourceIO
from app.worker.sources import ClaimedJobs, DatabaseSource
from tests.support import databases, work
from tests.support.clusters import is_alive, until
from tests.support.jobs import QUEUE, new
from tests.support.workers import WorkerProgram, add, find, in_status, written
from tests.worker.test_deaths import begun, handlers, marks, slow

__all__ = ["handlers"]  # a fixture
PATIENT = {"lock_ms": 20_000, "statement_ms": 20_000, "lease_ms": 30_000}
WAITING = """
    select pid from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '-- %s:%%'
"""


@contextmanager
def locked(db: Database, lock: str) -> Iterator[None]:
    """Hold a lock that stands in a worker's way during the block."""
    with db.begin() as conn:
        conn.exec_driver_sql(lock)
        yield


def waiting(url: str, event: str) -> list[int]:
    """Find the connections that wait for a lock in a statement for this event."""
    return [pid for (pid,) in databases.ask(url, WAITING % event)]


def test_what_a_claim_under_way_brings_to_a_worker_that_was_told_to_stop_goes_back(
    db: Database, shared_url: str, handlers: Path
) -> None:
    with WorkerProgram(shared_url, handlers, **PATIENT, poll_ms=200) as worker:
        child = int(begun(handlers, in_status(db, add(db, new("quick"))[0]).id)[2])
        worker.process.send_signal(signal.SIGSTOP)
        job_id = add(db, new("quick"))[0]
        with locked(db, "lock table rowline.job_deltas in exclusive mode"):
            worker.process.send_signal(signal.SIGCONT)
            until(lambda: waiting(shared_url, "claim"))
            worker.process.send_signal(signal.SIGTERM)
            until(lambda: not is_alive(child))
            assert waiting(shared_url, "claim")
        assert worker.end() == 0

    job = find(db, job_id)
    assert (job.status, job.attempts_started, job.attempts_made, job.stalled_count) == (Status.WAITING, 1, 0, 0)
    assert job_id not in {mark[0] for mark in marks(handlers)}


@pytest.mark.parametrize("max_batch", [1, 7, 500])
def test_one_process_begins_jobs_in_the_order_of_the_line(
    db: Database, shared_url: str, handlers: Path, max_batch: int
) -> None:
    ids = add(db, *(new("quick") for _ in range(1_000)))
    with WorkerProgram(shared_url, handlers, max_batch=max_batch):
        for job_id in ids:
            in_status(db, job_id, within_s=60)

    assert [mark[0] for mark in marks(handlers)] == ids


def test_a_worker_with_batches_of_one_gives_back_what_waits_behind_a_slow_job(
    db: Database, shared_url: str, handlers: Path
) -> None:
    with WorkerProgram(shared_url, handlers, max_batch=1):
        ids = add(db, *(new("quick") for _ in range(20)), new("slow", data=slow(20)), *(new("quick") for _ in range(3)))
        begun(handlers, ids[20])
        with WorkerProgram(shared_url, handlers):
            rest = [in_status(db, job_id) for job_id in ids[21:]]

    assert {(job.status, job.stalled_count, job.attempts_made) for job in rest} == {(Status.COMPLETED, 0, 1)}


def test_an_outcome_survives_the_end_of_the_connection_that_tells_it(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        f"""
        @rowline.handler("gated")
        def gated(job):
            while not os.path.exists({str(tmp_path / "gate")!r}):
                time.sleep(0.01)
            return "through"
        """,
    )
    with WorkerProgram(shared_url, file, **PATIENT) as worker:
        job_id = add(db, new("gated"))[0]
        in_status(db, job_id, Status.ACTIVE)
        with locked(db, f"select from rowline.jobs where number = {job_id} for update"):
            (tmp_path / "gate").touch()
            until(lambda: waiting(shared_url, "complete"))
            databases.run(shared_url, f"select pg_terminate_backend({waiting(shared_url, 'complete')[0]})")
            worker.expect("settle_failed")
        job = in_status(db, job_id)

    assert (job.status, job.result, job.attempts_started) == (Status.COMPLETED, '"through"', 1)


def test_what_is_said_while_outcomes_are_told_comes_before_the_end_of_its_job(db: Database) -> None:
    add(db, new(), new())
    source = DatabaseSource(Settings(), db, queue=QUEUE, worker="w")
    endings = Completer(Settings(), source, HeldLeases(source, queue=QUEUE))
    first, second = (lease.taken for lease in work.take(db, limit=2))
    endings.complete(first, "1")
    telling: DatabaseCoroutine[ClaimedJobs | None] = DatabaseCoroutine()
    telling.begin(lambda: endings.exchange(limit=0))
    with locked(db, f"select from rowline.jobs where number = {first.id} for update"):
        telling.go_on()
        endings.add_progress(second, {"log": "nearly there"})
        endings.complete(second, "2")
    while not telling.is_over:
        telling.go_on()

    assert find(db, first.id).status is Status.COMPLETED
    assert find(db, second.id).status is Status.ACTIVE
    endings.settle()
    assert find(db, second.id).status is Status.COMPLETED
    assert history.logs(db, queue=QUEUE, job_id=second.id, start=0, length=10).entries == ["nearly there"]
    assert not endings


class Talking:
    """The source_io of a worker without its loop, so that each step is the test's."""

    def __init__(self, db: Database) -> None:
        settings = Settings(poll_ms=3_600_000, lock_ms=20_000, statement_ms=20_000)
        source = DatabaseSource(settings, db, queue=QUEUE, worker="w")
        self.taken = list[ClaimedJob]()
        self.endings = Completer(settings, source, HeldLeases(source, queue=QUEUE))
        self.source_io = SourceIO(settings, source, self.endings, queue=QUEUE, take=self.taken.extend)

    def claim(self, room: int) -> list[str]:
        """Claim for so many, whatever has to be told before; return all that was taken so far, in its order."""
        self.source_io.begin(room, more_soon=False)
        while not self.source_io.is_idle:
            self.source_io.go_on({descriptor for descriptor, _ in self.source_io.waits()})
        return [job.id for job in self.taken]

    def fail_first(self) -> None:
        outcome = {"reason": "broke", "stack": None, "unrecoverable": False}
        self.endings.add(self.taken[0], outcome)


def test_no_claim_begins_while_a_failure_is_told(db: Database) -> None:
    worker = Talking(db)
    first = add(db, new(attempts=2))[0]
    assert worker.claim(2) == [first]
    worker.fail_first()
    with locked(db, f"select from rowline.jobs where number = {first} for update"):
        worker.source_io.begin(1, more_soon=False)
        second = add(db, new(priority=5))[0]
        worker.source_io.wake()
        worker.source_io.begin(1, more_soon=False)
        assert (worker.source_io.is_claiming, worker.source_io.is_idle) == (False, False)
    assert worker.claim(1) == [first]

    assert worker.claim(2) == [first, first, second]


def test_no_claim_begins_before_a_failure_that_came_up_while_others_are_told_is(db: Database) -> None:
    worker = Talking(db)
    first, second = add(db, new(attempts=2), new())
    assert worker.claim(3) == [first, second]
    worker.endings.complete(worker.taken[1], "1")
    with locked(db, f"select from rowline.jobs where number = {second} for update"):
        worker.source_io.begin(1, more_soon=False)
        third = add(db, new(priority=5))[0]
        worker.fail_first()
        worker.source_io.wake()
        worker.source_io.begin(1, more_soon=False)
        assert (worker.source_io.is_claiming, worker.source_io.is_idle) == (False, False)
    assert worker.claim(1) == [first, second]

    assert worker.claim(2) == [first, second, first, third]


def test_of_a_long_line_none_is_claimed_before_failures_are_told(db: Database) -> None:
    worker = Talking(db)
    ids = add(db, *(new(attempts=2) for _ in range(LARGE)))
    assert worker.claim(LARGE) == ids
    later = add(db, new(priority=5), new(priority=5))
    worker.fail_first()

    assert worker.claim(2) == [*ids, ids[0], later[0]]


def test_a_worker_claims_no_more_while_results_wait_over_their_limit(db: Database) -> None:
    worker = Talking(db)
    long = '"' + "x" * 900_000 + '"'
    count = OUTCOMES_BYTES // len(long) + 1
    ids = add(db, *(new() for _ in range(count + 1)))
    assert worker.claim(count) == ids[:-1]
    with locked(db, f"select from rowline.jobs where number = {ids[0]} for update"):
        for job in worker.taken:
            assert worker.endings.may_grow
            worker.endings.complete(job, long)
        worker.source_io.begin(1, more_soon=False)
        assert (worker.source_io.is_claiming, worker.source_io.is_idle) == (False, False)
        assert worker.endings.is_full
    assert worker.claim(0) == ids[:-1]

    assert worker.claim(1) == ids
