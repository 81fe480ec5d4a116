"""Callers that wait for the ends of jobs, in one process."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from app.domain.errors import JobNotFound
from app.domain.job import Job, JobKey
from app.domain.states import Status
from app.infra.room import Reservation, Room
from app.infra.settings import Settings
from app.operations import jobends, manage
from app.operations import jobs as operations
from app.operations.jobends import JobEnds
from app.postgres.database import Database, DatabaseError
from app.queries.jobs import Lookup
from tests.support import jobs, work
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.jobs import QUEUE, new

LONG_MS = 50_000  # no test waits for its end


@pytest.fixture
def ends(db: Database) -> Iterator[JobEnds]:
    opened = JobEnds(db)
    yield opened
    opened.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(50) as opened:
        yield opened


def add(db: Database, **fields: Any) -> str:
    [added] = operations.submit_many(db, queue=QUEUE, new=[new(**fields)])
    return added.job.id


def stay() -> bool:
    return False


def looking(db: Database, job_id: str) -> Callable[[], Job]:
    lookup = Lookup(db)
    return lambda: lookup.find(queue=QUEUE, job_id=job_id)


def begun(pool: ThreadPoolExecutor, ends: JobEnds, db: Database, *job_ids: str) -> list[Future[Job]]:
    """Have callers wait for these jobs; return when all of them do."""
    waiting = [pool.submit(ends.wait, looking(db, job_id), wait_ms=LONG_MS, has_left=stay) for job_id in job_ids]
    until(lambda: sleeping(ends) == len(job_ids))
    return waiting


def sleeping(ends: JobEnds) -> int:
    with ends._lock:  # noqa: SLF001 - nothing else tells
        return sum(map(len, ends._waiting.values()))  # noqa: SLF001 - as above


def test_who_waits_hears_of_an_end_whatever_brought_it(db: Database, ends: JobEnds, pool: ThreadPoolExecutor) -> None:
    completed, failed, cancelled = add(db), add(db), add(db, delay_ms=3_600_000)
    waiting = begun(pool, ends, db, completed, failed, cancelled)
    work.complete_next(db, result="5")
    work.fail_next(db, reason="broke")
    manage.cancel(db, actor=ACTOR, queue=QUEUE, job_id=cancelled)

    found = [one.result(60) for one in waiting]
    assert [job.status for job in found] == [Status.COMPLETED, Status.FAILED, Status.FAILED]
    assert [job.id for job in found] == [completed, failed, cancelled]
    assert sleeping(ends) == 0


def test_a_job_that_is_retried_has_not_ended(db: Database, ends: JobEnds, pool: ThreadPoolExecutor) -> None:
    retried, other = add(db, attempts=2), add(db)
    waiting = begun(pool, ends, db, retried, other)
    work.fail_next(db, delay_ms=3_600_000)
    work.complete_next(db)

    assert waiting[1].result(60).status is Status.COMPLETED
    assert not waiting[0].done(), "the statement that found the other's end asked for both"
    ends.close()
    assert waiting[0].result(60).status is Status.DELAYED


def test_after_its_time_the_job_is_returned_as_it_is(db: Database, ends: JobEnds) -> None:
    look = looking(db, add(db))
    began_at = time.monotonic()

    assert ends.wait(look, wait_ms=300, has_left=stay).status is Status.WAITING
    assert time.monotonic() - began_at >= 0.3
    assert sleeping(ends) == 0


def test_a_job_that_has_ended_is_returned_without_a_wait(db: Database, ends: JobEnds) -> None:
    job_id = add(db)
    work.complete_next(db)

    assert ends.wait(looking(db, job_id), wait_ms=LONG_MS, has_left=stay).status is Status.COMPLETED
    assert ends._thread is None  # noqa: SLF001 - nobody has waited


def test_a_job_that_is_removed_is_no_longer_found(db: Database, ends: JobEnds, pool: ThreadPoolExecutor) -> None:
    [waiting] = begun(pool, ends, db, add(db))
    with db.begin() as conn:
        conn.exec_driver_sql("delete from rowline.jobs")

    with pytest.raises(JobNotFound):
        waiting.result(60)
    assert sleeping(ends) == 0


def test_a_job_that_is_removed_and_added_again_is_waited_for(
    db: Database, ends: JobEnds, pool: ThreadPoolExecutor
) -> None:
    [waiting] = begun(pool, ends, db, add(db, custom_id="own"))
    [first] = ends._waiting  # noqa: SLF001 - nothing else tells
    with db.begin() as conn:
        conn.exec_driver_sql("delete from rowline.jobs")
        jobs.insert(conn, new(custom_id="own"))
    until(lambda: sleeping(ends) == 1 and first not in ends._waiting)  # noqa: SLF001 - as above
    work.complete_next(db)

    assert waiting.result(60).status is Status.COMPLETED


def test_one_statement_asks_for_all_each_job_once(
    db: Database, ends: JobEnds, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[JobKey]] = []
    real = jobends.ended

    def noted(db: Database, *, waited: Sequence[JobKey]) -> list[JobKey]:
        asked.append(waited)
        return real(db, waited=waited)

    monkeypatch.setattr(jobends, "ended", noted)
    monkeypatch.setattr(jobends, "LOOK_S", 0.01)
    job_ids = [add(db) for _ in range(5)]
    waiting = begun(pool, ends, db, *job_ids * 4)
    until(lambda: asked and len(asked[-1]) == 5)
    assert all(len(set(keys)) == len(keys) <= 5 for keys in asked)
    for _ in job_ids:
        work.complete_next(db)
    assert {one.result(60).status for one in waiting} == {Status.COMPLETED}


def test_more_jobs_than_one_statement_takes_are_all_heard_of(
    db: Database, ends: JobEnds, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobends, "AT_ONCE", 2)
    waiting = begun(pool, ends, db, *[add(db) for _ in range(5)])
    for _ in waiting:
        work.complete_next(db)

    assert {one.result(60).status for one in waiting} == {Status.COMPLETED}


def test_who_waits_holds_no_connection_and_no_memory(
    db: Database, settings: Settings, shared_url: str, pool: ThreadPoolExecutor
) -> None:
    patient = dataclasses.replace(settings, pool_wait_ms=60_000)
    narrow = Database(patient, url=shared_url, size=1, name="rowline-test")
    ends, room = JobEnds(narrow), Room(1_000_000, per_answer=1, claims=1, wait_s=0)
    look = looking(narrow, add(db))
    held = [Reservation(room) for _ in range(10)]

    def reading(reservation: Reservation) -> Job:
        assert reservation.take(1_000)
        return look()

    waiting = [pool.submit(ends.wait, partial(reading, one), wait_ms=LONG_MS, has_left=stay, held=one) for one in held]
    until(lambda: sleeping(ends) == 10)
    assert room.free == 1_000_000
    with narrow.read_once() as conn:
        assert conn.exec_driver_sql("select 1").scalar_one() == 1
    work.complete_next(db)
    assert {one.result(60).status for one in waiting} == {Status.COMPLETED}
    ends.close()
    narrow.close()


def test_who_has_left_waits_no_longer(
    db: Database, ends: JobEnds, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobends, "CHECK_S", 0.01)
    left = threading.Event()
    look = looking(db, add(db))
    waiting = pool.submit(ends.wait, look, wait_ms=LONG_MS, has_left=left.is_set)
    until(lambda: sleeping(ends) == 1)
    left.set()

    assert waiting.result(60).status is Status.WAITING
    assert sleeping(ends) == 0


def test_closing_ends_all_waits_and_nobody_waits_afterwards(
    db: Database, ends: JobEnds, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobends, "CHECK_S", 1_000)
    job_id = add(db)
    waiting = begun(pool, ends, db, job_id, job_id)
    ends.close()

    assert [one.result(60).status for one in waiting] == [Status.WAITING] * 2
    assert ends.wait(looking(db, job_id), wait_ms=LONG_MS, has_left=stay).status is Status.WAITING


def test_a_database_that_is_away_for_a_while_ends_no_wait(
    db: Database,
    ends: JobEnds,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(jobends, "RETRY_S", 0.01)
    real, failed = jobends.ended, threading.Event()

    def away(db: Database, *, waited: Sequence[JobKey]) -> list[JobKey]:
        if not failed.is_set():
            failed.set()
            raise DatabaseError("away")
        return real(db, waited=waited)

    monkeypatch.setattr(jobends, "ended", away)
    [waiting] = begun(pool, ends, db, add(db))
    assert failed.wait(60)
    work.complete_next(db)

    assert waiting.result(60).status is Status.COMPLETED
    assert [record.message for record in caplog.records if record.name == jobends.__name__] == ["tick_failed"]
