"""Many connections racing for the same jobs."""

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from random import Random

import psycopg
import pytest

from app.domain.job import Completion, Failure, JsonText, Release
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import claim, maintenance, settle
from app.operations import jobs as operations
from app.postgres import libpq
from app.postgres.database import Database, DatabaseError
from app.queries import jobs
from app.store import jobs as jobs_store
from app.store.statements import Statement
from tests.support import databases, work
from tests.support.clusters import until
from tests.support.jobs import new
from tests.support.race import RACERS, race


def test_each_job_is_claimed_once_however_many_race_for_it(crowd: Database) -> None:
    operations.submit_many(crowd, queue="q", new=[new() for _ in range(2_000)])
    won: Counter[int] = Counter()
    lock = threading.Lock()

    def racer(nth: int) -> None:
        while True:
            found = claim.claim(crowd, queue="q", limit=nth % 7 + 1, lease_ms=60_000, worker=str(nth)).leases
            if not found:
                return
            settled = work.complete_all(
                crowd, completions=[Completion(lease=lease.key, result=JsonText("1")) for lease in found]
            )
            with lock:
                won.update(settled.keys())

    race(racer)

    assert len(won) == 2_000
    assert set(won.values()) == {1}


def test_a_racing_claim_never_comes_back_empty_while_there_is_enough_for_all(crowd: Database) -> None:
    operations.submit_many(crowd, queue="q", new=[new() for _ in range(RACERS * 10)])

    found = race(lambda nth: len(claim.claim(crowd, queue="q", limit=5, lease_ms=60_000, worker=str(nth)).leases))

    assert found == [5] * RACERS


def test_one_custom_id_added_by_many_at_once_is_one_job(crowd: Database) -> None:
    answers = race(lambda nth: operations.submit_many(crowd, queue="q", new=[new(str(nth), custom_id="same")])[0])

    assert Counter(answer.outcome for answer in answers) == {"created": 1, "duplicate": RACERS - 1}
    assert len({answer.job.number for answer in answers}) == 1


def test_arrays_with_the_same_ids_in_opposite_orders_do_not_deadlock(crowd: Database) -> None:
    ids = [f"id-{number}" for number in range(200)]

    def racer(nth: int) -> None:
        order = ids if nth % 2 else ids[::-1]
        operations.submit_many(crowd, queue="q", new=[new(custom_id=custom_id) for custom_id in order])

    for _ in range(5):
        race(racer)

    assert jobs.Pages(crowd).read(queue="q", part=jobs.Part(statuses=(Status.WAITING,))).counts == {Status.WAITING: 200}


def test_of_all_the_ways_to_settle_one_attempt_exactly_one_is_taken(crowd: Database) -> None:
    """The same word, repeated, is answered as the first time; another is refused."""
    operations.submit_many(crowd, queue="q", new=[new(attempts=5) for _ in range(50)])
    taken = claim.claim(crowd, queue="q", limit=50, lease_ms=60_000, worker="w").leases
    keys = [lease.key for lease in taken]

    def racer(nth: int) -> tuple[str, set[int]]:
        mixed = Random(nth).sample(keys, len(keys))
        if nth % 3 == 0:
            done = [Completion(lease=key, result=JsonText("1")) for key in mixed]
            return "complete", set(work.complete_all(crowd, completions=done))
        if nth % 3 == 1:
            failures = [Failure(lease=key, reason="r") for key in mixed]
            return "fail", set(settle.fail(crowd, queue="q", failures=failures, random=Random(nth)))
        return "release", set(settle.release(crowd, queue="q", releases=[Release(lease=key) for key in mixed]))

    settled = {(verb, number) for verb, numbers in race(racer) for number in numbers}

    assert sorted(number for _verb, number in settled) == sorted(key.number for key in keys)
    made = jobs.Pages(crowd).read(queue="q", part=jobs.Part(statuses=tuple(Status), length=50)).jobs
    released = {number for verb, number in settled if verb == "release"}
    assert {job.number for job in made if job.attempts_made == 0} == released
    assert all(job.attempts_made <= 1 for job in made)


def test_recovery_by_many_at_once_counts_each_stall_once(crowd: Database) -> None:
    operations.submit_many(crowd, queue="q", new=[new() for _ in range(500)])
    taken = claim.claim(crowd, queue="q", limit=500, lease_ms=1, worker="w").leases

    counts = race(lambda _nth: maintenance.recover_stalled(crowd, max_stalled_count=5).get("q", 0))

    assert sum(counts) == len(taken) == 500


def test_a_claim_waits_for_a_promotion_that_is_under_way(crowd: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_store.promote, "__kwdefaults__", {"patience_s": 60.0})  # until the test lets it go
    due = operations.submit_many(crowd, queue="q", new=[new(delay_ms=1)])[0].job
    until(lambda: not claim_due_in_ms(crowd))
    added_later = operations.submit_many(crowd, queue="q", new=[new()])[0].job
    with ThreadPoolExecutor(1) as pool:
        with crowd.begin() as conn:
            assert jobs_store.promote(conn, queue="q", limit=10) == 1
            claimed = pool.submit(claim.claim, crowd, queue="q", limit=1, lease_ms=60_000, worker="w")
            assert waits(claimed)
        found = claimed.result(timeout=60).leases
    assert [lease.job.number for lease in found] == [due.number] != [added_later.number]


def claim_due_in_ms(db: Database) -> int | None:
    with db.begin() as conn:
        return jobs_store.next_due_ms(conn, queue="q")


def waits(claimed: "Future[claim.Claimed]") -> bool:
    """Whether it has not come back after a while in which it could have."""
    try:
        claimed.result(timeout=0.1)
    except TimeoutError:
        return True
    return False


def test_no_number_of_due_jobs_hides_the_next_one(crowd: Database) -> None:
    operations.submit_many(crowd, queue="q", new=[new(priority=5, delay_ms=1) for _ in range(1_500)])
    plain = operations.submit_many(crowd, queue="q", new=[new(delay_ms=2)])[0].job
    until(lambda: not claim_due_in_ms(crowd))
    until(lambda: jobs.Lookup(crowd).find(queue="q", job_id=plain.id).run_at < jobs_now(crowd))

    found = claim.claim(crowd, queue="q", limit=1, lease_ms=60_000, worker="w").leases

    assert [lease.job.number for lease in found] == [plain.number]


def jobs_now(db: Database) -> datetime:
    with db.read() as conn:
        now: datetime = conn.exec_driver_sql("select clock_timestamp()").scalar_one()
        return now


def test_a_deadlock_is_tried_again_and_nobody_hears_of_it(own_url: str, crowd: Database) -> None:
    operations.submit_many(crowd, queue="q", new=[new(), new()])
    first, second = claim.claim(crowd, queue="q", limit=2, lease_ms=60_000, worker="w").leases
    lock = "select from rowline.jobs where number = %s for update"
    with psycopg.connect(databases.as_owner(own_url)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("set local deadlock_timeout = '1h'")  # so that it is never this one that is ended
        other.execute(lock, [second.job.number])
        failures = [Failure(lease=lease.key, reason="r") for lease in (first, second)]
        told = pool.submit(settle.fail, crowd, queue="q", failures=failures, random=Random(1))
        until(lambda: databases.ask(own_url, "select 1 from pg_locks where not granted"))
        # Who waited first looks first, a second later, and is ended: that is ours.
        other.execute(lock, [first.job.number])
        other.rollback()
        assert set(told.result(60)) == {first.job.number, second.job.number}


def test_a_lock_that_was_not_had_in_time_is_tried_again_and_nobody_hears_of_it(
    settings: Settings, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.operations.TRIES", 1_000)  # however long it takes us to see the second one
    db = Database(dataclasses.replace(settings, lock_ms=200), url=own_url, size=2, name="rowline-test-patient")
    operations.submit_many(db, queue="q", new=[new()])
    [lease] = claim.claim(db, queue="q", limit=1, lease_ms=60_000, worker="w").leases
    waits = "select query_start from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with psycopg.connect(libpq.normal(own_url)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("select from rowline.jobs where number = %s for update", [lease.job.number])
        told = pool.submit(
            settle.fail, db, queue="q", failures=[Failure(lease=lease.key, reason="r")], random=Random(1)
        )
        until(lambda: databases.ask(own_url, waits))
        first = databases.ask(own_url, waits)
        until(lambda: databases.ask(own_url, waits) not in ([], first))
        other.rollback()
        assert set(told.result(60)) == {lease.job.number}
    db.close()


def test_a_lock_that_is_never_had_is_told_in_time(settings: Settings, own_url: str) -> None:
    patient = dataclasses.replace(settings, lock_ms=5_000)
    db = Database(patient, url=own_url, size=2, name="rowline-test-patient", limit_ms=6_000)
    operations.submit_many(db, queue="q", new=[new()])
    [lease] = claim.claim(db, queue="q", limit=1, lease_ms=60_000, worker="w").leases
    with psycopg.connect(libpq.normal(own_url)) as other:
        other.execute("select from rowline.jobs where number = %s for update", [lease.job.number])
        began_at = time.monotonic()
        with pytest.raises(DatabaseError, match="lock timeout"):
            settle.fail(db, queue="q", failures=[Failure(lease=lease.key, reason="r")], random=Random(1))
        assert time.monotonic() - began_at < 2 * 5, "a second try would have waited as long again"
    db.close()


@pytest.mark.parametrize("statement", ["leases/claim", "leases/claim_large", "leases/claim_next", "leases/claim_one"])
def test_an_attempt_never_begins_before_the_one_before_it_has_ended(
    crowd: Database, own_url: str, statement: str
) -> None:
    """By the database's clock, although the claim that finds the job had begun when another one still had it."""
    operations.submit_many(crowd, queue="q", new=[new()])
    values: dict[str, object] = {
        "queue": "q",
        "limit": 1,
        "lease_ms": 60_000,
        "grace_ms": 0,
        "worker": "late",
        "max_bytes": 9,
    }
    late = written_out(statement, values | {"from_priority": 0, "from_place": -(2**62)})
    held = "select pg_advisory_xact_lock(1)"
    with psycopg.connect(libpq.normal(own_url)) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(held)
        claiming = pool.submit(databases.run, own_url, f"{held}; {late}")  # one message: one moment of beginning
        until(lambda: databases.ask(own_url, "select 1 from pg_locks where not granted"))
        [lease] = claim.claim(crowd, queue="q", limit=1, lease_ms=60_000, worker="early").leases
        settle.release(crowd, queue="q", releases=[Release(lease=lease.key)])
        holder.rollback()
        claiming.result(60)

    times = "select ended_at, processed_at from rowline.attempts join rowline.jobs using (queue, number)"
    [(before, after)] = databases.ask(own_url, times)
    assert before < after


def written_out(statement: str, values: Mapping[str, object]) -> str:
    """Put values into the text of a statement."""
    found = Statement(statement)
    text = found.prepared
    for number, name in reversed(list(enumerate(found.parameters, start=1))):
        text = text.replace(f"${number}", psycopg.sql.Literal(values[name]).as_string())
    return text
