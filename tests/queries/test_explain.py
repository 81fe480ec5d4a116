"""A place in line is exact to 10,000; beyond, an estimate says that it is one. So is what scales workers."""

from collections.abc import Iterator

import pytest

from app.domain.workers import Sighting, Way
from app.infra.settings import Settings
from app.operations import workers
from app.postgres.database import Database
from app.queries import explain
from app.store import explain as store
from tests.support import databases

SIZE = 40_000
READY = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts)
select 'q', nth, 'n', '1', '{}', case when priority > 0 then 'prioritized' else 'waiting' end, priority, false,
    nth * 1000, now(), now(), 0, 1
from generate_series(1, 40000) as nth
cross join lateral (select case when nth > 30000 then 1 + nth / 20000 else 0 end as priority) as kind
"""
COUNTS = "insert into rowline.job_counts (queue, waiting, prioritized, delayed) values ('q', 30000, 10000, 20000)"
DELAYED = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts)
select 'q', 100000 + nth, 'n', '1', '{}', 'delayed', 0, false, nth, now() + nth * interval '100 milliseconds' +
    interval '60 seconds', now(), 1000, 1
from generate_series(1, 20000) as nth
"""
ENDED = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, attempts_started, processed_at, processed_by, finished_at, result)
select 'q', 200000 + nth, 'n', '1', '{}', 'completed', 0, false, nth, now(), now(), 0, 1, 1,
    now() - interval '3 seconds', 'w', now() - interval '1 second', '1'
from generate_series(1, 300) as nth
"""


@pytest.fixture
def long(own_url: str) -> Iterator[Database]:
    """A queue of 40,000 ready jobs, the last 10,000 with priorities, which came evenly."""
    databases.run(own_url, READY)
    databases.run(own_url, COUNTS)
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    workers.note(db, process="0b3c5a8e-6c1f-4a52-9d0e-2f4b7a91c3d7", sightings=[Sighting("q", "w", Way.PYTHON, 1)])
    yield db
    db.close()


def test_a_place_is_exact_to_ten_thousand_and_an_estimate_beyond(long: Database, own_url: str) -> None:
    for nth in (1, 2, 777, 10_000, 10_001):
        found = explain.job(long, queue="q", job_id=str(nth))
        assert found.ahead == (nth - 1, True)
    for nth in (10_002, 15_000, 25_000, 30_000, 33_333, 39_999, 40_000):
        found = explain.job(long, queue="q", job_id=str(nth))
        assert found.ahead
        assert not found.ahead.is_exact
        assert found.ahead.jobs == pytest.approx(nth - 1, abs=5_000)
        assert f"about {found.ahead.jobs:,} jobs are before it" in found.sentence
    databases.run(own_url, "delete from rowline.jobs where number <= 2")
    assert explain.job(long, queue="q", job_id="777").ahead == (774, True)


def test_what_scales_workers_is_counted(long: Database, own_url: str) -> None:
    databases.run(own_url, DELAYED)
    databases.run(own_url, ENDED)
    found = explain.scale(long, queue="q", target_s=160, per_worker=10)
    assert (found.ready, found.active, found.workers) == (40_000, 0, 1)
    assert found.due_soon == pytest.approx(1_000, abs=200)  # the clock goes on between the statements
    assert found.wanted == pytest.approx((40_000 + found.due_soon) / 160 * 2 / 10, abs=2)
    assert (found.drain_s, found.service_per_s) == (None, 0.0)
    assert explain.scale(long, queue="q", target_s=3_600, per_worker=10).due_soon == 20_000


def test_jobs_that_are_claimed_together_are_counted(long: Database, own_url: str) -> None:
    with long.read() as conn:
        assert store.batch(conn, queue="q") == 1
    databases.run(own_url, ENDED)
    with long.read() as conn:
        assert store.batch(conn, queue="q") == 300
    databases.run(own_url, "update rowline.jobs set processed_by = number::text where status = 'completed'")
    with long.read() as conn:
        assert store.batch(conn, queue="q") == 1


def test_jobs_that_ran_long_ago_or_never_tell_no_run(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    databases.run(own_url, ENDED.replace("'1 second'", "'901 seconds'").replace("'3 seconds'", "'26 minutes'"))
    databases.run(own_url, "insert into rowline.job_counts (queue, waiting, completed) values ('q', 100, 300)")
    assert explain.scale(db, queue="q", target_s=60, per_worker=1).wanted == 1
    databases.run(own_url, "update rowline.jobs set finished_at = finished_at + interval '60 seconds'")
    assert explain.scale(db, queue="q", target_s=60, per_worker=1).wanted > 1
    db.close()
