"""A job that has not begun in time fails unrun: in every queue and status, paused or not, and no claim hands it out."""

import functools
import time
from collections.abc import Callable, Sequence
from random import Random

import pytest

from app.domain import fingerprint
from app.domain.attempts import FailedCode
from app.domain.job import Change, Job, NewJob, Release
from app.domain.states import Status
from app.operations import jobs as operations
from app.operations import maintenance, manage, queues, settings, settle
from app.postgres.database import Connection, Database
from app.queries import history
from app.queries import jobs as queries
from app.store import counts, failures
from app.store import jobs as store
from tests.support import databases, jobs, work
from tests.support.acting import ACTOR
from tests.support.jobs import claim_by, new

LONG_AGO = 1_000_000_000_000
HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def add(db: Database, *asked: NewJob, queue: str = "q") -> list[str]:
    return [one.job.id for one in operations.submit_many(db, queue=queue, new=asked)]


def find(db: Database, job_id: str, queue: str = "q") -> Job:
    return queries.Lookup(db).find(queue=queue, job_id=job_id)


def have_missed(db: Database, *job_ids: str) -> None:
    """Have the time be over by which the jobs have to start, without waiting for it."""
    with db.begin() as conn:
        numbers = ", ".join(job_ids)
        conn.exec_driver_sql(f"update rowline.jobs set start_by = {LONG_AGO} where number in ({numbers})")


def within(db: Database, ms: int | None, queue: str = "q") -> None:
    settings.change_queue(db, actor=ACTOR, queue=queue, keeps={}, numbers={"start_within_ms": ms})


def ms_of(job: Job) -> int:
    return int(job.run_at.timestamp() * 1000)


def test_jobs_that_have_not_begun_in_time_fail_unrun_in_every_queue_and_once(db: Database) -> None:
    late = {"a": add(db, new(start_by=1), queue="a")[0], "b": add(db, new(start_by=now_ms(), priority=2), queue="b")[0]}
    early, plain = add(db, new(start_by=now_ms() + HOUR_MS), new(), queue="b")

    assert maintenance.fail_unstarted(db) == {"a": 1, "b": 1}
    assert maintenance.fail_unstarted(db) == {}

    for queue, job_id in late.items():
        job = find(db, job_id, queue)
        assert (job.status, job.failed_reason) == (Status.FAILED, "not started in time")
        assert job.failed_code == FailedCode.START_BY
        assert (job.attempts_made, job.attempts_started, job.processed_at, job.stacktrace) == (0, 0, None, [])
        assert job.finished_at is not None
        assert history.attempts(db, queue=queue, job_id=job_id, start=0, length=10).entries == []
    assert [find(db, job_id, "b").status for job_id in (early, plain)] == [Status.WAITING] * 2
    with db.read() as conn:
        assert counts.count(conn, queue="b") == jobs.counted(conn, "b")
        groups = [failures.count(conn, queue=queue).groups for queue in late]
    assert [[(group.fingerprint, group.jobs) for group in of_queue] for of_queue in groups] == [
        [(fingerprint.of("not started in time"), 1)]
    ] * 2


def test_a_delayed_job_fails_at_its_time_though_its_delay_goes_on(db: Database) -> None:
    [job_id] = add(db, new(delay_ms=HOUR_MS, start_by=now_ms()))

    assert maintenance.fail_unstarted(db) == {"q": 1}
    assert find(db, job_id).status is Status.FAILED


def test_a_paused_queue_stops_no_clock(db: Database) -> None:
    queues.pause(db, actor=ACTOR, queue="q", reason=None)
    add(db, new(start_by=1))

    assert maintenance.fail_unstarted(db) == {"q": 1}


@pytest.mark.parametrize("way", ["claim", "claim_large", "claim_next", "claim_calls"])
def test_no_claim_hands_out_a_late_job_and_each_hands_out_those_behind_it(conn: Connection, way: str) -> None:
    jobs.insert(conn, new(start_by=1), new(start_by=now_ms() - 1, priority=1))
    [ready, soon] = jobs.insert(conn, new(), new(start_by=now_ms() + HOUR_MS, priority=1))

    claim_by(conn, way, limit=10, lease_ms=1000)

    active = conn.exec_driver_sql("select number from rowline.jobs where status = 'active' order by number")
    assert [row.number for row in active] == [ready, soon]


@pytest.mark.parametrize("goes_on", [work.release_next, work.stall_next, work.fail_next])
def test_a_job_that_began_in_time_goes_on_afterwards(db: Database, goes_on: Callable[[Database], object]) -> None:
    [job_id] = add(db, new(start_by=now_ms() + HOUR_MS, attempts=3))
    goes_on(db)
    have_missed(db, job_id)

    assert maintenance.fail_unstarted(db) == {}
    assert [lease.job.id for lease in work.take(db)] == [job_id]
    assert maintenance.fail_unstarted(db) == {}


def test_a_late_job_that_is_retried_may_start_at_any_time(db: Database) -> None:
    [job_id] = add(db, new(start_by=1))
    within(db, 1)
    maintenance.fail_unstarted(db)

    job = manage.retry(db, actor=ACTOR, queue="q", job_id=job_id)

    assert (job.status, job.start_by, job.failed_code, job.failed_reason) == (Status.WAITING, None, None, None)
    assert maintenance.fail_unstarted(db) == {}
    assert work.complete_next(db).job.id == job_id


def test_a_late_job_that_somebody_has_locked_holds_up_no_other(db: Database) -> None:
    locked, *_ = add(db, *[new(start_by=1)] * 3)
    with db.begin() as conn:
        conn.exec_driver_sql(f"select from rowline.jobs where number = {locked} for update")
        assert maintenance.fail_unstarted(db) == {"q": 2}

    assert maintenance.fail_unstarted(db) == {"q": 1}


def test_all_late_jobs_fail_however_many_and_in_whichever_queues(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    for queue, count in (("a", 5), ("b", 3), ("c", 1)):
        add(db, *[new(start_by=nth + 1) for nth in range(count)], queue=queue)

    assert maintenance.fail_unstarted(db) == {"a": 5, "b": 3, "c": 1}


def test_a_queue_that_gets_late_jobs_all_the_time_keeps_no_other_from_failing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    monkeypatch.setattr(maintenance, "READ_AT_ONCE", 6)
    add(db, *[new(start_by=1)] * 5, queue="busy")
    add(db, new(start_by=now_ms()), queue="other")
    turns: list[str] = []
    fail = store.fail_unstarted

    def failing(conn: Connection, *, queue: str, numbers: Sequence[int]) -> int:
        turns.append(queue)
        if queue == "busy" and len(turns) < 20:
            add(db, *[new(start_by=1)] * 2, queue="busy")
        return fail(conn, queue=queue, numbers=numbers)

    monkeypatch.setattr(store, "fail_unstarted", failing)

    failed = maintenance.fail_unstarted(db)

    assert turns.index("other") < 3
    assert failed["other"] == 1
    assert not maintenance.look(db, word=None).is_late


def test_a_round_sees_late_jobs_and_only_these(db: Database) -> None:
    add(db, new(start_by=now_ms() + HOUR_MS), new())
    assert not maintenance.look(db, word=None).is_late
    add(db, new(delay_ms=HOUR_MS, start_by=1))
    assert maintenance.look(db, word=None).is_late
    maintenance.fail_unstarted(db)
    assert not maintenance.look(db, word=None).is_late


# What a queue sets


def test_a_queue_says_how_long_after_it_became_ready_a_job_may_start(db: Database) -> None:
    within(db, 5_000)
    [alone] = add(db, new())
    several = add(db, new(), new(priority=3, lifo=True))
    delayed = find(db, add(db, new(delay_ms=HOUR_MS))[0])

    for job in (find(db, job_id) for job_id in (alone, *several)):
        assert job.start_by == ms_of(job) + 5_000
    assert delayed.start_by is None


def test_what_is_answered_of_an_added_job_is_what_is_stored(db: Database) -> None:
    within(db, 5_000)
    for count in (1, 2):
        for one in operations.submit_many(db, queue="q", new=[new()] * count):
            assert one.job == find(db, one.job.id)._replace(stacktrace=())


@pytest.mark.parametrize("count", [1, 2])
def test_of_what_a_job_and_its_queue_say_the_earlier_holds(db: Database, count: int) -> None:
    within(db, HOUR_MS)
    soon, later = now_ms() + 1_000, now_ms() + 2 * HOUR_MS
    earlier = add(db, *[new(start_by=soon)] * count)
    cut = add(db, *[new(start_by=later)] * count)

    assert [find(db, job_id).start_by for job_id in earlier] == [soon] * count
    assert all(find(db, job_id).start_by == ms_of(find(db, job_id)) + HOUR_MS for job_id in cut)


def test_a_delayed_job_has_its_time_from_when_it_is_due(db: Database) -> None:
    [due, own] = add(db, new(delay_ms=HOUR_MS), new(delay_ms=HOUR_MS, start_by=now_ms() + 10 * HOUR_MS))
    within(db, 9 * HOUR_MS)
    for job_id in (due, own):
        work.make_due(db, job_id)
    maintenance.promote_due(db)

    for job in (find(db, due), find(db, own)):
        assert (job.status, job.start_by) == (Status.WAITING, ms_of(job) + 9 * HOUR_MS)


@pytest.mark.parametrize("ready", [manage.promote_now, functools.partial(manage.change, change=Change(delay_ms=0))])
def test_a_delayed_job_that_is_made_ready_by_hand_has_its_time_from_then(
    db: Database, ready: Callable[..., Job]
) -> None:
    [job_id] = add(db, new(delay_ms=HOUR_MS))
    within(db, 5_000)

    job = ready(db, actor=ACTOR, queue="q", job_id=job_id)

    assert (job.status, job.start_by) == (Status.WAITING, ms_of(job) + 5_000)


def test_a_setting_says_nothing_of_jobs_that_were_ready_before(db: Database) -> None:
    [job_id, began] = add(db, new(priority=1), new(attempts=2))
    within(db, 1)
    manage.change(db, actor=ACTOR, queue="q", job_id=job_id, change=Change(priority=2))
    [lease] = work.take(db)
    assert lease.job.id == began
    settle.release(db, queue="q", releases=[Release(lease=lease.key, delay_ms=HOUR_MS)])
    work.make_due(db, began)
    maintenance.promote_due(db)

    assert [find(db, each).start_by for each in (job_id, began)] == [None, None]
    assert maintenance.fail_unstarted(db) == {}


def test_a_setting_that_is_taken_away_holds_for_jobs_that_were_added_under_it_alone(db: Database) -> None:
    within(db, HOUR_MS)
    [under] = add(db, new())
    within(db, None)
    [after] = add(db, new())

    assert find(db, under).start_by
    assert find(db, after).start_by is None


def test_a_queue_that_is_paused_and_sets_nothing_else_limits_no_start(db: Database) -> None:
    queues.pause(db, actor=ACTOR, queue="q", reason=None)
    assert [find(db, job_id).start_by for job_id in add(db, new(), new())] == [None, None]


def test_jobs_added_in_sql_have_the_same_time(db: Database, shared_url: str) -> None:
    within(db, 5_000)
    soon = now_ms() + 1_000
    for opts in ("{}", '{"delay": 1000}', f'{{"startBy": {soon}}}'):
        databases.run(shared_url, f"select rowline.enqueue('q', 'n', '1', '{opts}')")
    databases.run(shared_url, "select rowline.enqueue('other', 'n', '1')")

    found = databases.ask(
        shared_url,
        "select start_by, floor(extract(epoch from run_at) * 1000)::bigint from rowline.jobs order by number",
    )
    assert [start_by for start_by, _ in found] == [found[0][1] + 5_000, None, soon, None]


def test_a_timeout_of_the_first_attempt_is_no_late_start(db: Database) -> None:
    [job_id] = add(db, new(start_by=now_ms() + HOUR_MS, timeout_ms=1))
    work.take(db)
    have_missed(db, job_id)
    work.age(db, job_id, ms=HOUR_MS)

    assert maintenance.fail_unstarted(db) == {}
    assert maintenance.time_out(db, random=Random(1)) == {"q": 1}
    assert find(db, job_id).failed_code == FailedCode.TIMED_OUT
