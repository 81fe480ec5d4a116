"""A tick that is late was missed only if nobody was there for it: real workers, which make ticks."""

from pathlib import Path

import psycopg
import pytest

from app.domain.schedule import Misfire
from app.postgres.database import Database
from tests.support import databases
from tests.support.clusters import until
from tests.support.schedules import HOUR_MS, fall_due, made
from tests.support.workers import WorkerProgram, written

LATE = "update rowline.schedules set next_at = floor(extract(epoch from clock_timestamp()) * 1000) where id = 's'"
IS_LATE = "select clock_timestamp() > transaction_timestamp() + interval '3 s'"
COUNTED = "select ticks, skipped from rowline.schedules where id = '{}'"


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    return written(tmp_path, '@rowline.handler("n")\ndef run(job):\n    return None\n')


def counted(url: str, schedule_id: str = "s") -> tuple[int, int]:
    """Return how many ticks got a job, and how many did not."""
    [(count, skipped)] = databases.ask(url, COUNTED.format(schedule_id))
    return count, skipped


def fall_due_late(url: str) -> None:
    """Have a tick be due that nobody could make for 3 s."""
    with psycopg.connect(url) as conn:
        conn.execute(LATE)
        until(lambda: conn.execute(IS_LATE).fetchone() == (True,))


def test_a_tick_that_is_late_while_somebody_makes_ticks_gets_its_job(
    db: Database, shared_url: str, handlers: Path
) -> None:
    for one in ("first", "s"):
        made(db, one, every_ms=HOUR_MS, misfire=Misfire.SKIP)
    with WorkerProgram(shared_url, handlers) as worker:
        worker.expect("worker_started")
        fall_due(db, schedule_id="first")
        until(lambda: sum(counted(shared_url, "first")) == 2)
        fall_due_late(shared_url)
        until(lambda: sum(counted(shared_url)) == 2)
    assert counted(shared_url) == (2, 0)


def test_a_tick_that_was_due_while_no_process_was_there_was_missed(
    db: Database, shared_url: str, handlers: Path
) -> None:
    made(db, every_ms=HOUR_MS, misfire=Misfire.SKIP)
    fall_due_late(shared_url)
    with WorkerProgram(shared_url, handlers):
        until(lambda: sum(counted(shared_url)) == 2)
    assert counted(shared_url) == (1, 1)
