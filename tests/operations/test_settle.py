"""What a worker says of the jobs it holds, while others are at them."""

from app.infra.database import Database
from app.operations import control, settle, submit
from tests.support import work
from tests.support.jobs import QUEUE, new


def test_a_heartbeat_waits_for_no_job_that_somebody_has_locked_and_says_that_it_is_held(db: Database) -> None:
    submit.submit_many(db, queue=QUEUE, new=[new(), new()])
    locked, free = work.take(db, limit=2)
    control.cancel(db, queue=QUEUE, job_id=locked.job.id)
    with db.begin() as conn:
        conn.exec_driver_sql(f"select from rowline.jobs where number = {locked.job.number} for update")
        held = settle.extend(db, queue=QUEUE, held=[locked.key, free.key], lease_ms=3_600_000)

    assert {number: one.is_cancelled for number, one in held.items()} == {
        locked.job.number: True,
        free.job.number: False,
    }
    assert held[locked.job.number].until == locked.until
    assert held[free.job.number].until > free.until
