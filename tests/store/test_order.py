"""What is next: the SQL against the oracle, over whatever may happen to jobs."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.domain.job import Failure, LeaseKey, NewJob
from app.domain.order import InLine, line
from app.domain.states import Status
from app.postgres.database import Connection, Database
from app.store import jobs, leases
from tests.support.jobs import QUEUE, claim, insert, make_due, new, row

SOON_MS, NEVER_MS = 2, 3_600_000
SETTINGS = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
MICROSECOND = timedelta(microseconds=1)

asked = st.builds(
    new,
    priority=st.integers(0, 3),
    lifo=st.booleans(),
    delay_ms=st.sampled_from([0, 0, 0, SOON_MS, SOON_MS * 2, NEVER_MS]),
    attempts=st.just(1000),
)


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


class Machine(RuleBasedStateMachine):
    """Adds, claims, retries, releases and stalls jobs, and keeps the line that the oracle would have."""

    db: Database
    active = Bundle[LeaseKey]("active")

    def __init__(self) -> None:
        super().__init__()
        self.opened = self.db.begin()
        self.conn = self.opened.__enter__()
        self.line: dict[int, InLine] = {}

    def teardown(self) -> None:
        self.conn.rollback()
        self.conn.begin()
        self.opened.__exit__(None, None, None)

    def joins(self, number: int, *, lifo: bool, joined_us: int) -> None:
        priority = row(self.conn, number).priority
        self.line[number] = InLine(priority=priority, lifo=lifo, joined_us=joined_us)

    def settled_us(self) -> int:
        """Wait until whatever is due soon is due, so that no due time lies between here and the next statement."""
        self.conn.exec_driver_sql(f"select pg_sleep({SOON_MS * 3 / 1000})")
        now: datetime = self.conn.exec_driver_sql("select clock_timestamp()").scalar_one()
        return microseconds(now)

    @rule(batch=st.lists(asked, min_size=1, max_size=5))
    def add(self, batch: list[NewJob]) -> None:
        for nth, job in enumerate(jobs.insert(self.conn, queue=QUEUE, new=batch)):
            assert job
            self.joins(job.number, lifo=job.lifo, joined_us=microseconds(job.run_at) + nth)

    @rule(target=active, limit=st.integers(1, 4))
    def claim(self, limit: int) -> MultipleResults[LeaseKey]:
        now_us = self.settled_us()
        jobs.promote(self.conn, queue=QUEUE, limit=100)
        claimed = claim(self.conn, limit)
        expected = line(place for place in self.line.values() if place.joined_us <= now_us)[:limit]
        assert [self.line[lease.job.number] for lease in claimed] == expected
        for lease in claimed:
            del self.line[lease.job.number]
        return multiple(*(lease.key for lease in claimed))

    @rule(held=consumes(active), delay_ms=st.sampled_from([0, SOON_MS, NEVER_MS]))
    def retry(self, held: LeaseKey, delay_ms: int) -> None:
        failure = Failure(lease=held, reason="r")
        leases.retry_later(self.conn, queue=QUEUE, retries=[leases.Retry(failure=failure, delay_ms=delay_ms)])
        joined_us = microseconds(row(self.conn, held.number).run_at)
        self.joins(held.number, lifo=row(self.conn, held.number).lifo, joined_us=joined_us)

    @rule(held=consumes(active))
    def stall(self, held: LeaseKey) -> None:
        make_due(self.conn, held.number)
        now_us = self.settled_us()
        leases.recover_stalled(self.conn, queue=QUEUE, limit=10, max_stalled_count=1000)
        self.joins(held.number, lifo=True, joined_us=now_us)


def test_jobs_come_in_the_order_of_the_oracle_whatever_happened_to_them(db: Database) -> None:
    Machine.db = db
    run_state_machine_as_test(Machine, settings=SETTINGS)


def test_jobs_that_stall_together_keep_their_order_whatever_their_numbers(conn: Connection) -> None:
    numbers = insert(conn, new(), new(lifo=True), new(), new(lifo=True), new())
    in_line = [lease.job.number for lease in claim(conn, 5)]
    assert in_line == [numbers[nth] for nth in (3, 1, 0, 2, 4)]
    for number in numbers:
        make_due(conn, number)
    leases.recover_stalled(conn, queue=QUEUE, limit=10, max_stalled_count=10)

    assert [lease.job.number for lease in claim(conn, 5)] == in_line


def test_of_jobs_that_stall_and_of_jobs_that_are_due_the_first_go_first(conn: Connection) -> None:
    stalled = insert(conn, *(new() for _ in range(4)))
    claim(conn, 4)
    due = insert(conn, *(new(delay_ms=delay_ms) for delay_ms in (4_000, 1_000, 3_000, 2_000)))
    for number in stalled:
        make_due(conn, number)
    conn.exec_driver_sql("update rowline.jobs set run_at = run_at - interval '1 hour' where status = 'delayed'")
    leases.recover_stalled(conn, queue=QUEUE, limit=2, max_stalled_count=10)
    jobs.promote(conn, queue=QUEUE, limit=2)

    ready = {number for number in (*stalled, *due) if row(conn, number).status == Status.WAITING}
    assert ready == {*stalled[:2], due[1], due[3]}
