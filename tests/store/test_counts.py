"""Counts are what counting would give, at every moment, whatever happened to jobs and whoever folds meanwhile."""

from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.job import Change, Completion, Failure, JsonText, Lease, LeaseKey, NewJob, Release
from app.domain.states import FINAL, READY, Status
from app.operations import claim, maintenance, manage, settle
from app.operations import jobs as operations
from app.postgres.database import Connection, Database
from app.store import counts, jobs, leases
from tests.support import work
from tests.support.acting import ACTOR
from tests.support.jobs import counted, insert, make_due, new

SETTINGS = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
QUEUES = ("q", "r")
LOST = LeaseKey(number=0, token="00000000-0000-4000-8000-000000000000")

asked = st.builds(
    new,
    priority=st.integers(0, 1),
    lifo=st.booleans(),
    delay_ms=st.sampled_from([0, 0, 3_600_000]),
    attempts=st.integers(1, 3),
    custom_id=st.sampled_from([None, None, "a", "b"]),
)
queues = st.sampled_from(QUEUES)


class Machine(RuleBasedStateMachine):
    """Does to jobs of two queues what may be done, some of it in a transaction that stays open for a while."""

    db: Database
    active = Bundle[tuple[str, Lease]]("active")

    @initialize()
    def empty(self) -> None:
        with self.db.begin() as conn:
            for table in ("jobs", "attempts", "job_deltas", "job_counts"):
                conn.exec_driver_sql(f"delete from rowline.{table}")
        self.opened = ExitStack()
        self.open: Connection | None = None

    def teardown(self) -> None:
        if self.open:
            self.end(commits=True)

    @rule(queue=queues, batch=st.lists(asked, min_size=1, max_size=4))
    def add(self, queue: str, batch: list[NewJob]) -> None:
        operations.submit_many(self.db, queue=queue, new=batch)

    @rule(target=active, queue=queues, limit=st.integers(1, 4))
    def claim(self, queue: str, limit: int) -> MultipleResults[tuple[str, Lease]]:
        taken = claim.claim(self.db, queue=queue, limit=limit, lease_ms=60_000, worker="w").leases
        return multiple(*((queue, lease) for lease in taken))

    @rule(held=consumes(active), is_lost=st.booleans())
    def complete(self, held: tuple[str, Lease], *, is_lost: bool) -> None:
        keys = [held[1].key, LOST] if is_lost else [held[1].key]
        completions = [Completion(lease=key, result=JsonText("1")) for key in keys]
        for _ in range(2):  # the second says nothing new
            work.complete_all(self.db, queue=held[0], completions=completions)

    @rule(held=consumes(active), delay_ms=st.sampled_from([0, 3_600_000]))
    def fail(self, held: tuple[str, Lease], delay_ms: int) -> None:
        failure = Failure(lease=held[1].key, reason="r", least_delay_ms=delay_ms)
        settle.fail(self.db, queue=held[0], failures=[failure], random=Random(1))

    @rule(held=consumes(active), delay_ms=st.sampled_from([0, 3_600_000]))
    def release(self, held: tuple[str, Lease], delay_ms: int) -> None:
        settle.release(self.db, queue=held[0], releases=[Release(lease=held[1].key, delay_ms=delay_ms)])

    @rule(held=consumes(active), most=st.integers(0, 2))
    def stall(self, held: tuple[str, Lease], most: int) -> None:
        settle.recover_dead(self.db, queue=held[0], held=[held[1].key], max_stalled_count=most)

    @rule(held=active)
    def ask_to_stop(self, held: tuple[str, Lease]) -> None:
        with self.db.begin() as conn:
            jobs.request_cancel(conn, queue=held[0], numbers=[held[1].job.number])

    @rule(queue=queues, status=st.sampled_from([Status.WAITING, Status.PRIORITIZED, Status.DELAYED]))
    def cancel(self, queue: str, status: Status) -> None:
        for number in self.numbers(queue, status)[:1]:
            with self.db.begin() as conn:
                assert jobs.cancel(conn, queue=queue, numbers=[number])

    @rule(queue=queues, status=st.sampled_from(sorted(FINAL | READY | {Status.DELAYED})), turn=st.integers(0, 99))
    def manage(self, queue: str, status: Status, turn: int) -> None:
        """Do to the first job of a status what can be done to it by hand."""
        for number in self.numbers(queue, status)[:1]:
            one: dict[str, Any] = {"queue": queue, "numbers": [number]}
            changes = [Change(priority=turn % 3), Change(delay_ms=turn % 2 * 3_600_000), Change(name="other")]
            with self.db.begin() as conn:
                if turn % 5 == 0:
                    assert jobs.remove(conn, queue=queue, numbers=[number])
                elif status in FINAL:
                    assert jobs.retry(conn, **one, reset_attempts=turn % 2 == 0)
                elif turn % 5 == 1:
                    assert bool(jobs.promote_now(conn, **one)) == (status is Status.DELAYED)
                else:
                    assert jobs.change(conn, **one, change=changes[turn % 3])

    @rule(queue=queues)
    def promote(self, queue: str) -> None:
        for number in self.numbers(queue, Status.DELAYED)[:2]:
            with self.db.begin() as conn:
                make_due(conn, number)
        maintenance.promote_due(self.db)

    @rule(limit=st.sampled_from([1, 2, 1_000]))
    def fold(self, limit: int) -> None:
        with self.db.begin() as conn:
            counts.fold(conn, limit=limit)

    @rule()
    def recount(self) -> None:
        assert maintenance.recount(self.db, actor=ACTOR) == []

    @precondition(lambda self: not self.open)
    @rule(queue=queues, batch=st.lists(asked.filter(lambda job: not job.custom_id), min_size=1, max_size=2))
    def begin(self, queue: str, batch: list[NewJob]) -> None:
        self.open = self.opened.enter_context(self.db.begin())
        insert(self.open, *batch, queue=queue)

    @precondition(lambda self: self.open)
    @rule(held=consumes(active))
    def go_on(self, held: tuple[str, Lease]) -> None:
        assert self.open
        if held[1].job.custom_id:  # whoever adds that id again would wait for us
            return
        leases.complete(self.open, queue=held[0], completions=[Completion(lease=held[1].key, result=JsonText("1"))])

    @precondition(lambda self: self.open)
    @rule(commits=st.booleans())
    def end(self, *, commits: bool) -> None:
        assert self.open
        if not commits:
            self.open.rollback()
            self.open.begin()
        self.open = None
        self.opened.close()

    @invariant()
    def counts_are_what_counting_gives(self) -> None:
        with self.db.read() as conn:
            for queue in QUEUES:
                assert counts.count(conn, queue=queue) == counted(conn, queue)

    def numbers(self, queue: str, status: Status) -> Sequence[int]:
        with self.db.read() as conn:
            found = conn.exec_driver_sql(
                "select number from rowline.jobs where queue = %(queue)s and status = %(status)s order by number",
                {"queue": queue, "status": status},
            )
            return [row[0] for row in found]


def test_counts_are_what_counting_gives_whatever_happens_to_jobs(db: Database) -> None:
    Machine.db = db
    run_state_machine_as_test(Machine, settings=SETTINGS)


def folded(db: Database) -> dict[Status, int]:
    """What is folded of the queue `q`, without the deltas."""
    with db.begin() as conn:
        conn.exec_driver_sql("delete from rowline.job_deltas")
        found = counts.count(conn, queue="q")
        conn.rollback()
        conn.begin()
    return {status: jobs for status, jobs in found.items() if jobs}


@pytest.fixture
def added(db: Database) -> Database:
    operations.submit_many(db, queue="q", new=[new(), new(priority=1), new(delay_ms=3_600_000)])
    operations.submit_many(db, queue="q", new=[new()])
    return db


def test_a_fold_takes_what_is_committed_and_leaves_the_rest_for_later(added: Database) -> None:
    with added.begin() as conn:
        insert(conn, new())
        operations.submit_many(added, queue="q", new=[new(delay_ms=3_600_000)])
        assert maintenance.fold_counts(added) == 3
        assert folded(added) == {Status.WAITING: 2, Status.PRIORITIZED: 1, Status.DELAYED: 2}
    operations.submit_many(added, queue="q", new=[new(priority=1)])
    assert maintenance.fold_counts(added) == 2
    assert folded(added) == {Status.WAITING: 3, Status.PRIORITIZED: 2, Status.DELAYED: 2}


def test_a_fold_of_a_few_at_a_time_loses_none(added: Database) -> None:
    for expected in (1, 1, 0):
        with added.begin() as conn:
            assert counts.fold(conn, limit=1).deltas == expected
    assert sum(folded(added).values()) == 4


def test_one_folds_at_a_time_and_nobody_waits_for_it(added: Database) -> None:
    with added.begin() as conn:
        assert counts.fold(conn, limit=10).deltas == 2
        assert maintenance.fold_counts(added) == 0


def test_a_fold_that_is_rolled_back_changes_nothing(added: Database) -> None:
    with added.begin() as conn:
        counts.fold(conn, limit=10)
        conn.rollback()
        conn.begin()
    assert folded(added) == {}
    assert maintenance.fold_counts(added) == 2


def test_deltas_of_a_dump_count_on_a_server_whose_numbers_are_lower(added: Database) -> None:
    with added.begin() as conn:
        conn.exec_driver_sql("update rowline.job_folds set folded_below = 1000000000000")
    for folds in (2, 0):
        with added.read() as conn:
            assert counts.count(conn, queue="q") == counted(conn, "q")
        assert maintenance.fold_counts(added) == folds
    operations.submit_many(added, queue="q", new=[new()])
    with added.read() as conn:
        assert counts.count(conn, queue="q") == counted(conn, "q")


def test_a_recount_mends_what_was_written_past_us_and_names_the_queues(added: Database) -> None:
    with added.begin() as conn:
        conn.exec_driver_sql("update rowline.jobs set status = 'waiting', priority = 0 where status = 'prioritized'")
        conn.exec_driver_sql("insert into rowline.job_counts (queue, failed) values ('gone', 5)")
        conn.exec_driver_sql("insert into rowline.job_counts (queue) values ('empty')")
    operations.submit_many(added, queue="right", new=[new()])

    assert maintenance.recount(added, actor=ACTOR) == ["gone", "q"]
    assert maintenance.recount(added, actor=ACTOR) == []
    with added.read() as conn:
        assert counts.count(conn, queue="q") == counted(conn, "q")
        assert not any(counts.count(conn, queue="gone").values())


def test_a_recount_waits_for_nobody_who_changes_jobs(added: Database) -> None:
    with added.begin() as conn:
        insert(conn, new())
        assert maintenance.recount(added, actor=ACTOR) == []
    with added.read() as conn:
        assert counts.count(conn, queue="q")[Status.WAITING] == 3


def test_a_job_that_is_cancelled_leaves_the_status_it_had(added: Database) -> None:
    with added.read() as conn:
        job_ids = list(conn.exec_driver_sql("select number::text from rowline.jobs").scalars())
    for job_id in job_ids:
        manage.cancel(added, actor=ACTOR, queue="q", job_id=job_id)
    with added.read() as conn:
        assert counts.count(conn, queue="q") == dict.fromkeys(Status, 0) | {Status.FAILED: 4}
