"""What happened in each minute is what happened: for every transition, whoever folds, and no longer than it is kept."""

from collections.abc import Callable, Sequence

import pytest

from app.domain.queue import MINUTES_KEPT, WINDOWS, Tally
from app.domain.states import ACTIVE, COMPLETED, FAILED, NOWHERE, TRANSITIONS, Status
from app.operations import jobs as operations
from app.operations import maintenance
from app.postgres.database import Connection, Database
from app.store import counts, minutes
from tests.store.test_states import EVENTS
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.jobs import QUEUE, claim, in_status, insert, new, rows

ENTERS: dict[Status | None, Tally] = {Status.COMPLETED: Tally(completed=1), Status.FAILED: Tally(failed=1)}


pytestmark = pytest.mark.usefixtures("early_in_a_minute")


def drained(conn: Connection) -> Tally:
    """Fold everything; return what was noted since the last call, whatever the minute."""
    counts.fold(conn, limit=100)
    conn.exec_driver_sql("delete from rowline.job_deltas")  # of this transaction, which a fold takes again
    found = conn.exec_driver_sql(
        "with gone as (delete from rowline.job_minutes returning added, completed, failed) "
        "select coalesce(sum(added), 0), coalesce(sum(completed), 0), coalesce(sum(failed), 0) from gone"
    )
    return Tally(*map(int, found.one()))


def status(conn: Connection) -> Status | None:
    return next((Status(row.status) for row in rows(conn)), None)


def note(conn: Connection, ago: int, *, queue: str = QUEUE, **tally: int) -> None:
    """Note what happened in a minute before the current one."""
    conn.exec_driver_sql(
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) values "
        "(date_trunc('minute', statement_timestamp()) - %s * interval '1 minute', %s, %s, %s, %s)",
        (ago, queue, *Tally(**tally)),
    )


@pytest.mark.parametrize("event", [event for event in TRANSITIONS if TRANSITIONS[event].leaves])
@pytest.mark.parametrize("before", Status)
def test_a_transition_counts_the_end_of_a_job_and_nothing_else(conn: Connection, before: Status, event: str) -> None:
    for perform in EVENTS[event]:
        key = in_status(conn, before)
        drained(conn)
        perform(conn, key)
        after = status(conn)
        ended = ENTERS.get(after, Tally()) if after != before else Tally()
        if event == "complete_and_remove" and before is Status.ACTIVE:
            assert after is None
            ended = Tally(completed=1)
        if event == "undo_retry":
            ended = Tally()  # it had ended, and was counted, before
        assert drained(conn) == ended
        conn.exec_driver_sql("delete from rowline.attempts")
        conn.exec_driver_sql("delete from rowline.jobs")


def test_jobs_are_added_once_however_they_begin_and_not_again_when_they_are_retried(conn: Connection) -> None:
    insert(conn, new(), new(priority=1), new(delay_ms=1000), new(custom_id="a"))
    assert drained(conn) == Tally(added=4)
    insert(conn, new(custom_id="a"), new())
    assert drained(conn) == Tally(added=1)
    [lease] = claim(conn, 1)
    for perform in (EVENTS["fail"], EVENTS["retry"]):
        perform[0](conn, lease.key)
    assert drained(conn) == Tally(failed=1)


def test_a_statement_that_moves_many_jobs_counts_each(conn: Connection) -> None:
    insert(conn, *[new() for _ in range(5)])
    taken = claim(conn, 5)
    for perform, part in ((EVENTS["complete"][0], taken[:3]), (EVENTS["fail"][0], taken[3:])):
        for lease in part:
            perform(conn, lease.key)
    assert drained(conn) == Tally(added=5, completed=3, failed=2)


def test_no_event_has_both_signs_of_what_is_counted() -> None:
    """The sum of what a statement changed tells what happened only if it changes each number in one direction."""
    for event, rule in TRANSITIONS.items():
        for final in (COMPLETED, FAILED):
            assert not (rule.leaves & final and rule.enters & final)
        if rule.enters == NOWHERE and rule.leaves & ACTIVE:
            assert rule.leaves == ACTIVE
            assert event in {"complete_and_remove", "remove_active"}, "an active job that goes at once has completed"


@pytest.mark.parametrize("take", [maintenance.fold_counts, lambda db: maintenance.recount(db, actor=ACTOR)])
def test_folds_add_up_and_what_is_rolled_back_did_not_happen(
    db: Database, shared_url: str, take: Callable[[Database], object]
) -> None:
    for jobs_added in (2, 3):
        operations.submit_many(db, queue="q", new=[new()] * jobs_added)
        take(db)
    operations.submit_many(db, queue="r", new=[new()])
    with db.begin() as conn:
        insert(conn, new())
        counts.fold(conn, limit=100)
        conn.rollback()
        conn.begin()
    take(db)
    found = databases.ask(
        shared_url,
        "select queue, added, completed, failed, from_at = date_trunc('minute', now()) from report.minutes order by 1",
    )
    assert found == [("q", 5, 0, 0, True), ("r", 1, 0, 0, True)]


def test_what_a_release_before_has_folded_is_missing_and_nothing_else(db: Database, shared_url: str) -> None:
    operations.submit_many(db, queue="q", new=[new()])
    databases.run(
        shared_url, "delete from rowline.job_deltas; insert into rowline.job_counts (queue, waiting) values ('q', 1)"
    )
    operations.submit_many(db, queue="q", new=[new()])
    work.fold(db)
    assert databases.ask(shared_url, "select sum(added)::int from report.minutes") == [(1,)]


def test_the_last_full_minutes_are_told_of_each_queue_and_the_running_one_is_not(conn: Connection) -> None:
    for ago in range(17):
        note(conn, ago, added=1, completed=10, failed=100)
    note(conn, 3, queue="other", completed=7)
    told = minutes.recent(conn, queues=[QUEUE, "other", "nothing"])
    assert told[QUEUE] == {window: Tally(window, 10 * window, 100 * window) for window in WINDOWS}
    assert told["other"] == {1: Tally(), 5: Tally(completed=7), 15: Tally(completed=7)}
    assert told["nothing"] == dict.fromkeys(WINDOWS, Tally())
    assert minutes.recent(conn, queues=[]) == {}


def test_minutes_are_forgotten_when_two_days_are_over_in_steps_and_the_oldest_first(conn: Connection) -> None:
    for ago in (0, 1, MINUTES_KEPT - 1, MINUTES_KEPT + 1, MINUTES_KEPT + 2, MINUTES_KEPT + 3):
        note(conn, ago, added=ago)
    assert minutes.forget(conn, limit=2) == 2
    assert left(conn) == [0, 1, MINUTES_KEPT - 1, MINUTES_KEPT + 1]
    assert [minutes.forget(conn, limit=2) for _ in range(2)] == [1, 0]
    assert left(conn) == [0, 1, MINUTES_KEPT - 1]


def test_minutes_that_are_forgotten_become_hours_of_utc(conn: Connection) -> None:
    conn.exec_driver_sql("set local time zone 'Asia/Kolkata'")
    begin = "date_bin('1 hour', now() - interval '50 hours', timestamptz 'epoch')"
    for minute, queue in ((0, QUEUE), (29, QUEUE), (30, QUEUE), (59, QUEUE), (60, QUEUE), (30, "other")):
        conn.exec_driver_sql(
            f"insert into rowline.job_minutes select {begin} + {minute} * interval '1 minute', '{queue}', 1, 10, 100"
        )
    assert [minutes.forget(conn, limit=3) for _ in range(3)] == [3, 3, 0]
    hours = f"select hour = {begin} as is_first, queue, added, completed, failed from rowline.job_hours"
    found = conn.exec_driver_sql(f"{hours} order by is_first desc, queue")
    assert [tuple(row) for row in found] == [
        (True, "other", 1, 10, 100),
        (True, QUEUE, 4, 40, 400),
        (False, QUEUE, 1, 10, 100),
    ]


def test_hours_become_days_when_ninety_days_are_over(conn: Connection) -> None:
    for days in (89, 91, 92):
        conn.exec_driver_sql(
            f"insert into rowline.job_hours select now() - {days} * interval '1 day', '{QUEUE}', {days}, 0, 0"
        )
    assert [minutes.forget_hours(conn, limit=1) for _ in range(3)] == [1, 1, 0]
    assert conn.exec_driver_sql("select added from rowline.job_hours").scalars().all() == [89]
    assert conn.exec_driver_sql("select added from rowline.job_days order by added").scalars().all() == [91, 92]


def left(conn: Connection) -> Sequence[int]:
    return list(conn.exec_driver_sql("select added from rowline.job_minutes order by added").scalars())


def test_all_steps_are_made(db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    with db.begin() as conn:
        for queue in "abcde":
            note(conn, MINUTES_KEPT + 5, queue=queue, added=1)
        note(conn, 5, added=1)
    assert maintenance.forget_minutes(db) == 5
    assert databases.ask(shared_url, "select queue from report.minutes") == [(QUEUE,)]


def test_jobs_that_a_retry_completes_again_end_twice(conn: Connection) -> None:
    key = in_status(conn, Status.COMPLETED)
    drained(conn)
    EVENTS["retry"][0](conn, key)
    [lease] = claim(conn)
    EVENTS["complete"][0](conn, lease.key)
    assert drained(conn) == Tally(completed=1)
