"""What time brings is noticed in every queue, whatever somebody holds, and however much it is."""

from random import Random

import pytest

from app.domain.states import Status
from app.operations import jobs as operations
from app.operations import maintenance
from app.postgres.database import Database
from tests.support import jobs, work
from tests.support.jobs import new

BROUGHT = ["due", "stalled", "overdue"]
OPTIONS = {"due": new(delay_ms=3_600_000), "stalled": new(), "overdue": new(timeout_ms=1, attempts=2)}
LEFT = {"due": Status.DELAYED, "stalled": Status.ACTIVE, "overdue": Status.ACTIVE}


def bring(db: Database, what: str, *, queue: str, count: int = 1) -> list[int]:
    """Add jobs for which it is time; return their numbers."""
    added = operations.submit_many(db, queue=queue, new=[OPTIONS[what]] * count)
    if what != "due":
        assert len(work.take(db, queue=queue, limit=count)) == count
    with db.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set run_at = run_at - interval '2 hours', leased_until = leased_until - interval "
            f"'2 hours', processed_at = processed_at - interval '2 hours' where queue = '{queue}'"
        )
    return [one.job.number for one in added]


def notice(db: Database, what: str) -> set[str]:
    """Look what time has brought; return in which queues."""
    if what == "due":
        return set(maintenance.promote_due(db))
    if what == "stalled":
        return set(maintenance.recover_stalled(db, max_stalled_count=1))
    return set(maintenance.time_out(db, random=Random(1)))


def statuses(db: Database, queue: str) -> dict[Status, int]:
    with db.begin() as conn:
        return {status: count for status, count in jobs.counted(conn, queue).items() if count}


@pytest.mark.parametrize("what", BROUGHT)
def test_it_is_noticed_in_every_queue_and_once(db: Database, what: str) -> None:
    for queue in ("a", "b", "c"):
        bring(db, what, queue=queue)
    operations.submit_many(db, queue="d", new=[new(delay_ms=3_600_000), new()])
    work.take(db, queue="d")

    assert notice(db, what) == {"a", "b", "c"}
    assert notice(db, what) == set()
    assert statuses(db, "b") == {Status.WAITING: 1}
    assert statuses(db, "d") == {Status.DELAYED: 1, Status.ACTIVE: 1}


@pytest.mark.parametrize("what", BROUGHT)
def test_a_job_that_somebody_has_locked_holds_up_no_other(db: Database, what: str) -> None:
    locked, *_ = bring(db, what, queue="q", count=3)
    with db.begin() as conn:
        conn.exec_driver_sql(f"select from rowline.jobs where number = {locked} for update")
        notice(db, what)

    assert statuses(db, "q") == {LEFT[what]: 1, Status.WAITING: 2}
    assert notice(db, what) == {"q"}


@pytest.mark.parametrize("what", BROUGHT)
def test_it_is_done_at_once_however_much_it_is(db: Database, what: str) -> None:
    count = 2 * maintenance.AT_ONCE + 1
    bring(db, what, queue="q", count=count)
    notice(db, what)

    assert statuses(db, "q") == {Status.WAITING: count}


def test_due_jobs_are_all_found_in_steps_smaller_than_what_one_moment_makes_due(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "READ_AT_ONCE", 2)
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    for queue, count in (("a", 5), ("b", 3), ("c", 1)):
        bring(db, "due", queue=queue, count=count)

    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.jobs set run_at = '2020-01-01'")
        conn.exec_driver_sql("update rowline.jobs set run_at = '2020-01-02' where queue = 'c'")

    assert notice(db, "due") == {"a", "b", "c"}
    assert [statuses(db, queue) for queue in ("a", "b", "c")] == [{Status.WAITING: count} for count in (5, 3, 1)]


def test_a_queue_that_somebody_has_locked_holds_up_no_due_jobs_of_others(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "READ_AT_ONCE", 2)
    bring(db, "due", queue="locked", count=5)
    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.jobs set run_at = '2020-01-01'")
    bring(db, "due", queue="other")
    with db.begin() as conn:
        conn.exec_driver_sql("select from rowline.jobs where queue = 'locked' for update")
        assert notice(db, "due") == {"other"}


@pytest.mark.parametrize("what", ["stalled", "overdue"])
def test_leases_that_have_run_out_are_found_in_steps_smaller_than_a_queue(
    db: Database, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(maintenance, "READ_AT_ONCE", 2)
    for queue, count in (("a", 5), ("b", 1), ("c", 2)):
        bring(db, what, queue=queue, count=count)
    operations.submit_many(db, queue="b", new=[new(), new()])
    work.take(db, queue="b", limit=2)

    assert notice(db, what) == {"a", "b", "c"}
    assert notice(db, what) == set()
