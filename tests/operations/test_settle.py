"""What a worker says of the jobs it holds, while others are at them or wait for them."""

from collections.abc import Callable
from random import Random

import psycopg
import pytest

from app.domain.job import Failure, Lease, Release
from app.operations import jobs, manage, settle
from app.operations.settle import Settlement
from app.postgres import libpq, notify
from app.postgres.database import Database
from tests.support import work
from tests.support.acting import ACTOR
from tests.support.clusters import PATIENCE_S
from tests.support.jobs import QUEUE, insert, new

RANDOM = Random(1)


def fail(db: Database, queue: str, lease: Lease) -> None:
    settle.fail(db, queue=queue, failures=[Failure(lease=lease.key, reason="r")], random=RANDOM)


def release(db: Database, queue: str, lease: Lease) -> None:
    settle.release(db, queue=queue, releases=[Release(lease=lease.key)])


def finish(db: Database, queue: str, lease: Lease) -> None:
    settlement = Settlement(job_id=lease.job.id, token=lease.token, of_lease=lambda key: Release(lease=key))
    settle.finish(db, queue=queue, settlements=[settlement], random=RANDOM)


def give_up(db: Database, queue: str, lease: Lease) -> None:
    settle.recover_dead(db, queue=queue, held=[lease.key], max_stalled_count=1)


@pytest.mark.parametrize("told", [fail, release, finish, give_up])
def test_who_waits_hears_at_once_of_a_job_that_is_ready_again(
    db: Database, shared_url: str, told: Callable[[Database, str, Lease], None]
) -> None:
    queue = f"heard by {told.__name__}"
    with db.begin() as conn:
        insert(conn, new(attempts=2), queue=queue)
    [lease] = work.take(db, queue=queue)
    with psycopg.connect(libpq.normal(shared_url), autocommit=True) as listening:
        listening.execute(f"listen {notify.channel(queue)}")
        told(db, queue, lease)

        assert list(listening.notifies(timeout=PATIENCE_S, stop_after=1))


def test_a_heartbeat_waits_for_no_job_that_somebody_has_locked_and_says_that_it_is_held(db: Database) -> None:
    jobs.submit_many(db, queue=QUEUE, new=[new(), new()])
    locked, free = work.take(db, limit=2)
    manage.cancel(db, actor=ACTOR, queue=QUEUE, job_id=locked.job.id)
    with db.begin() as conn:
        conn.exec_driver_sql(f"select from rowline.jobs where number = {locked.job.number} for update")
        held = settle.extend(db, queue=QUEUE, held=[locked.key, free.key], lease_ms=3_600_000)

    assert {number: one.is_cancelled for number, one in held.items()} == {
        locked.job.number: True,
        free.job.number: False,
    }
    assert {one.worker for one in held.values()} == {work.WORKER}
    assert held[locked.job.number].until == locked.until
    assert held[free.job.number].until > free.until
