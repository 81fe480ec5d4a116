"""Telling and taking at once: what it gives is what both give one after the other."""

import contextlib

import pytest

from app.domain.job import ClaimedJob, Completion, JsonText, Lease, LeaseKey, NewJob
from app.domain.scan import ScanCursor
from app.domain.states import Status
from app.operations import claim, exchange
from app.operations import jobs as operations
from app.operations.claim import Ask
from app.postgres.database import Database, DatabaseError
from app.queries import jobs
from app.store import leases
from app.store.statements import Statement
from tests.support.jobs import QUEUE, make_due, new
from tests.support.scan_cursors import slow_to_look

ASK = Ask(limit=2, lease_ms=60_000, worker="w")


def done(job: ClaimedJob, result: str = "1") -> Completion:
    return Completion(lease=job.key, result=JsonText(result))


def taken(db: Database, ask: Ask = ASK) -> list[ClaimedJob]:
    return exchange.exchange(db, queue=QUEUE, completions=[], ask=ask).taken


def test_what_went_well_is_completed_and_the_next_jobs_are_taken(db: Database) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(str(nth)) for nth in range(5)])
    first = taken(db)
    second = exchange.exchange(db, queue=QUEUE, completions=[done(job) for job in first], ask=ASK)

    assert second.completed == {job.key.number for job in first}
    assert [job.name for job in (*first, *second.taken)] == ["0", "1", "2", "3"]
    assert jobs.Lookup(db).find(queue=QUEUE, job_id=first[0].id).status is Status.COMPLETED


def test_a_handler_is_told_the_same_as_by_a_claim_of_the_whole_job(db: Database) -> None:
    asked = [
        new("a", custom_id="mine", priority=3, opts=JsonText('{ "priority": 3}'), timeout_ms=5_000),
        new("b", data=JsonText('{"é": 1.50}')),
    ]
    whole = [lease.taken for lease in _claimed_whole(db, asked)]
    operations.submit_many(db, queue="other", new=asked)
    found = exchange.exchange(db, queue="other", completions=[], ask=ASK).taken

    def but_for_the_lease(job: ClaimedJob) -> ClaimedJob:
        job_id = job.id if job.id == "mine" else ""
        return job._replace(key=LeaseKey(number=0, token=""), id=job_id, timestamp=0)

    assert [*map(but_for_the_lease, found)] == [*map(but_for_the_lease, whole)]
    stored = [jobs.Lookup(db).find(queue="other", job_id=job.id) for job in found]
    assert [job.timestamp for job in found] == [int(job.added_at.timestamp() * 1000) for job in stored]


def _claimed_whole(db: Database, asked: list[NewJob]) -> list[Lease]:
    operations.submit_many(db, queue=QUEUE, new=asked)
    return claim.claim(db, queue=QUEUE, limit=2, lease_ms=60_000, worker="w").leases


def test_a_delayed_job_that_is_due_is_taken_in_its_place(db: Database) -> None:
    [due] = operations.submit_many(db, queue=QUEUE, new=[new("due", delay_ms=3_600_000, lifo=True)])
    with db.begin() as conn:
        make_due(conn, due.job.number)
    operations.submit_many(db, queue=QUEUE, new=[new("later"), new("last")])

    assert [job.name for job in taken(db)] == ["due", "later"]


def test_who_finds_too_little_is_told_when_a_delayed_job_is_due(db: Database) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(), new(delay_ms=60_000)])
    found = exchange.exchange(db, queue=QUEUE, completions=[], ask=ASK)

    assert len(found.taken) == 1
    assert 50_000 < (found.next_due_ms or 0) <= 60_000


def test_who_comes_to_the_end_of_the_line_from_a_mark_looks_from_the_head_at_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_to_look(monkeypatch)
    known = ScanCursor()

    def next_of(limit: int) -> tuple[list[str], int | None]:
        ask = Ask(limit=limit, lease_ms=60_000, worker="w")
        found = exchange.exchange(db, queue=QUEUE, completions=[], ask=ask, cursor=known)
        return [job.name for job in found.taken], found.next_due_ms

    operations.submit_many(db, queue=QUEUE, new=[new("first"), new("second")])
    assert next_of(1) == (["first"], None)
    operations.submit_many(db, queue=QUEUE, new=[new("ahead", lifo=True)])
    assert next_of(2) == (["second"], 0)
    assert next_of(2) == (["ahead"], None)


def test_a_claim_that_comes_to_the_end_of_the_line_from_a_mark_looks_from_the_head_itself(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_to_look(monkeypatch)
    known = ScanCursor()

    def next_of(limit: int) -> list[str]:
        found = claim.claim(db, queue=QUEUE, limit=limit, lease_ms=60_000, worker="w", cursor=known)
        return [lease.job.name for lease in found.leases]

    operations.submit_many(db, queue=QUEUE, new=[new("first"), new("second"), new("third")])
    assert next_of(1) == ["first"]
    operations.submit_many(db, queue=QUEUE, new=[new("ahead", lifo=True)])
    assert next_of(1) == ["second"], "the head is not looked at again so soon"
    assert next_of(5) == ["third", "ahead"], "but before anybody is told that there is no more"
    assert next_of(5) == []


def test_a_lost_lease_completes_nothing_and_a_word_told_again_is_answered_as_before(db: Database) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(), new()])
    first, second = taken(db)
    lost = done(second._replace(key=second.key._replace(token="00000000-0000-4000-8000-000000000000")))
    for _ in range(2):
        told = exchange.exchange(db, queue=QUEUE, completions=[done(first), lost])
        assert told.completed == {first.key.number}


def test_when_the_claim_fails_nothing_is_completed(db: Database) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(), new()])
    [job] = taken(db, Ask(limit=1, lease_ms=60_000, worker="w"))
    with pytest.raises(Exception, match="out of range"):
        exchange.exchange(db, queue=QUEUE, completions=[done(job)], ask=Ask(limit=1, lease_ms=10**30, worker="w"))
    assert jobs.Lookup(db).find(queue=QUEUE, job_id=job.id).status is Status.ACTIVE


def test_when_the_block_fails_nothing_is_completed_and_the_pool_goes_on(db: Database) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new()])
    [job] = taken(db)
    with pytest.raises(ZeroDivisionError), db.pipeline() as conn:
        leases.send_complete(conn, queue=QUEUE, completions=[done(job)])
        raise ZeroDivisionError
    assert jobs.Lookup(db).find(queue=QUEUE, job_id=job.id).status is Status.ACTIVE
    assert exchange.exchange(db, queue=QUEUE, completions=[done(job)]).completed == {job.key.number}


@pytest.mark.parametrize("way", ["exchange", "claim"])
def test_after_a_claim_that_took_too_long_the_next_one_measures_fewer_jobs(
    db: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(), new(), new()])
    late = Statement("late", "select pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")
    monkeypatch.setattr(leases, "_claim", late)
    monkeypatch.setattr(leases, "_claim_next", late)
    cursor = ScanCursor()

    def take() -> int:
        if way == "exchange":
            return len(exchange.exchange(db, queue=QUEUE, completions=[], ask=ASK, cursor=cursor).taken)
        return len(claim.claim(db, queue=QUEUE, limit=2, lease_ms=60_000, worker="w", cursor=cursor).leases)

    found = 0
    for _ in range(2):
        with contextlib.suppress(DatabaseError):
            found += take()
    assert found
