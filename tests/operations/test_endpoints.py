"""What a dispatcher takes for one endpoint, and what it tells with it."""

import time

import pytest

from app.domain import scan
from app.domain.endpoint import Limiter
from app.domain.job import Completion, JsonText, Lease
from app.domain.retention import Keep
from app.domain.scan import ScanCursor
from app.domain.states import Status
from app.operations import claim, endpoints
from app.operations import jobs as operations
from app.operations.claim import Ask
from app.operations.endpoints import EndpointExchange
from app.postgres.database import Database
from app.queries import endpoints as queries
from app.queries import jobs
from tests.support import databases, receivers, work
from tests.support.clusters import until
from tests.support.jobs import QUEUE, make_due, new
from tests.support.scan_cursors import slow_to_look

WORKER = "push:1"


def take(
    db: Database,
    *done: Lease,
    limit: int = 32,
    lease_ms: int = 60_000,
    revision: str = "",
    cursor: ScanCursor | None = None,
) -> EndpointExchange:
    return endpoints.exchange_calls(
        db,
        queue=QUEUE,
        revision=revision or queries.revisions(db)[QUEUE],
        ask=Ask(limit=limit, lease_ms=lease_ms, worker=WORKER),
        completions=[Completion(lease=lease.key, result=JsonText("1")) for lease in done],
        cursor=cursor,
    )


def add(db: Database, count: int, *, concurrency: int = 2, limiter: Limiter | None = None) -> None:
    receivers.register(db, "https://example.com/", concurrency=concurrency, limiter=limiter)
    operations.submit_many(db, queue=QUEUE, new=[new(str(nth)) for nth in range(count)])


def names(turn: EndpointExchange) -> list[str]:
    return [lease.job.name for lease in turn.leases]


def test_what_went_well_is_completed_and_leaves_room_for_the_next(db: Database) -> None:
    add(db, 5)
    first = take(db)
    assert names(first) == ["0", "1"]
    assert names(take(db)) == []

    second = take(db, first.leases[0])
    assert second.completed == {first.leases[0].job.number}
    assert names(second) == ["2"]


def test_a_call_that_was_completed_behind_the_claim_leaves_room_for_the_next_soon(
    db: Database, shared_url: str
) -> None:
    receivers.register(db, "https://example.com/", concurrency=1)
    operations.submit_many(db, queue=QUEUE, new=[new(remove_on_complete=Keep(count=0)) for _ in range(2)])
    [first] = take(db).leases
    databases.run(
        shared_url, "insert into rowline.logs (queue, number, line) select queue, number, 'l' from rowline.jobs"
    )

    turn = take(db, first)
    assert turn.completed == {first.job.number}
    assert turn.leases or turn.next_claim_ms == endpoints.SHARING_MS


def test_who_has_freed_what_others_may_take_too_leaves_a_part_of_it(db: Database) -> None:
    add(db, 30, concurrency=8)
    held = take(db).leases
    for _ in range(2):
        turn = take(db, *held)
        assert (len(held), len(turn.completed)) == (7, 7)
        held = turn.leases
    assert [len(take(db).leases) for _ in range(2)] == [1, 0], "which is taken when nobody has come for it"


def test_what_was_left_to_others_is_asked_for_again_soon_and_an_empty_queue_is_not(db: Database) -> None:
    add(db, 10, concurrency=9)
    turns = [take(db) for _ in range(4)]
    assert [len(turn.leases) for turn in turns] == [8, 1, 0, 0]
    assert [turn.next_claim_ms for turn in turns] == [endpoints.SHARING_MS, endpoints.SHARING_MS, None, None]

    short = take(db, *turns[0].leases)
    assert (len(short.leases), short.next_claim_ms) == (1, None)


def test_a_lease_says_the_same_of_its_job_as_any_claim_and_as_the_table(db: Database) -> None:
    add(db, 2)
    [ours] = take(db, limit=1).leases
    [others] = claim.claim(db, queue=QUEUE, limit=1, lease_ms=60_000, worker=WORKER).leases

    for lease in (ours, others):
        assert lease.job == jobs.Lookup(db).find(queue=QUEUE, job_id=lease.job.id)
    assert ours.job._replace(number=0, name="", run_at=ours.until, processed_at=None) == others.job._replace(
        number=0, name="", run_at=ours.until, processed_at=None
    )
    assert 59_000 < (ours.until - (ours.job.processed_at or ours.until)).total_seconds() * 1000 <= 60_000


def test_only_calls_count_against_concurrency_and_no_lease_that_ran_out(db: Database) -> None:
    add(db, 5)
    claim.claim(db, queue=QUEUE, limit=2, lease_ms=60_000, worker="pull")
    assert names(take(db, lease_ms=1)) == ["2", "3"]
    until(lambda: names(take(db)) == ["4"])


def test_the_window_of_the_limiter_counts_what_is_taken_and_says_when_it_is_over(db: Database) -> None:
    add(db, 9, concurrency=9, limiter=Limiter(max_calls=3, window_ms=60_000))
    assert names(take(db, limit=2)) == ["0", "1"]
    assert names(take(db)) == ["2"]
    full = take(db)
    assert names(full) == []
    assert 50_000 < (full.next_claim_ms or 0) <= 60_000


def test_the_window_of_the_limiter_begins_anew(db: Database) -> None:
    add(db, 9, concurrency=9, limiter=Limiter(max_calls=1, window_ms=50))
    assert names(take(db)) == ["0"]
    until(lambda: names(take(db)) == ["1"])


def test_a_pause_says_when_it_is_over_and_outcomes_are_told_meanwhile(db: Database) -> None:
    add(db, 3)
    [lease, _] = take(db).leases
    endpoints.pause(db, queue=QUEUE, revision=queries.revisions(db)[QUEUE], pause_ms=60_000)
    paused = take(db, lease)

    assert (paused.completed, names(paused)) == ({lease.job.number}, [])
    assert 50_000 < (paused.next_claim_ms or 0) <= 60_000


@pytest.mark.parametrize("is_off", [True, False])
def test_what_is_registered_no_more_takes_nothing_but_tells(db: Database, *, is_off: bool) -> None:
    add(db, 3)
    [lease, _] = take(db).leases
    old = queries.revisions(db)[QUEUE]
    if is_off:
        endpoints.switch_off(db, queue=QUEUE, revision=old, reason="gone")
    else:
        receivers.register(db, "https://example.com/2", concurrency=9)
    turn = take(db, lease, revision=old)

    assert (turn.completed, names(turn)) == ({lease.job.number}, [])


def test_while_another_has_the_turn_outcomes_are_told_and_nothing_is_taken(db: Database) -> None:
    add(db, 3)
    [lease, _] = take(db).leases
    with db.begin() as conn:
        conn.exec_driver_sql("select from rowline.endpoints for update")
        turn = take(db, lease)

    assert (turn.completed, names(turn), turn.next_claim_ms) == ({lease.job.number}, [], endpoints.SHARING_MS)
    assert names(take(db)) == ["2"]


def test_a_delayed_job_that_is_due_is_taken_in_its_place(db: Database) -> None:
    add(db, 0)
    [due] = operations.submit_many(db, queue=QUEUE, new=[new("due", delay_ms=3_600_000, lifo=True)])
    with db.begin() as conn:
        make_due(conn, due.job.number)
    operations.submit_many(db, queue=QUEUE, new=[new("later"), new("last")])

    assert names(take(db)) == ["due", "later"]


def test_a_due_job_that_somebody_has_locked_holds_up_no_other(db: Database) -> None:
    add(db, 1)
    [due] = operations.submit_many(db, queue=QUEUE, new=[new("due", delay_ms=3_600_000)])
    with db.begin() as conn:
        make_due(conn, due.job.number)
    with db.begin() as conn:
        conn.exec_driver_sql(f"select from rowline.jobs where number = {due.job.number} for update")
        assert names(take(db)) == ["0"]


def test_who_finds_too_little_is_told_when_a_delayed_job_is_due(db: Database) -> None:
    add(db, 1)
    operations.submit_many(db, queue=QUEUE, new=[new(delay_ms=60_000)])
    found = take(db)

    assert names(found) == ["0"]
    assert 50_000 < (found.next_claim_ms or 0) <= 60_000


def test_a_lost_lease_completes_nothing_and_a_word_told_again_is_answered_as_before(db: Database) -> None:
    add(db, 2)
    first, second = take(db).leases
    lost = Lease(job=second.job, token="00000000-0000-4000-8000-000000000000", until=second.until)
    for _ in range(2):
        assert take(db, first, lost).completed == {first.job.number}


def test_a_mark_is_kept_while_there_is_no_room_to_look(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_to_look(monkeypatch)
    add(db, 3, concurrency=1)
    known = ScanCursor()
    [first] = take(db, cursor=known).leases
    assert names(take(db, cursor=known)) == []
    operations.submit_many(db, queue=QUEUE, new=[new("ahead", lifo=True)])

    assert names(take(db, first, cursor=known)) == ["1"], "the head is not looked at again so soon"


def test_when_the_claim_fails_nothing_is_completed(db: Database) -> None:
    add(db, 2)
    [lease, _] = take(db).leases
    with pytest.raises(Exception, match="out of range"):
        take(db, lease, lease_ms=10**30)
    assert jobs.Lookup(db).find(queue=QUEUE, job_id=lease.job.id).status is Status.ACTIVE


def test_calls_are_counted_alike_past_what_is_dead_whoever_holds_jobs_beside_them(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "QUICK_COUNT_S", -1.0)
    add(db, 20, concurrency=4)
    known = ScanCursor()
    assert not known.skips_dead(now_s=time.monotonic())
    first = take(db, limit=1, cursor=known)
    assert known.skips_dead(now_s=time.monotonic())
    work.take(db, limit=3)  # a worker's
    take(db, limit=1, lease_ms=0, cursor=known)  # stalled, and not noticed yet
    assert names(take(db, limit=32, cursor=known)) == ["5", "6", "7"]
    assert names(take(db, cursor=known)) == []
    work.fold(db)
    assert names(take(db, cursor=known)) == []
    assert names(take(db, *first.leases, cursor=known)) == ["8"]
