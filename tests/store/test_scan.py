"""The SQL with a cursor against the oracle: only who joined after the last look from the head is overtaken."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, consumes, multiple, rule, run_state_machine_as_test

from app.domain.job import LeaseKey, Release
from app.domain.order import InLine, line
from app.domain.scan import HEAD, Place, ScanCursor, ScanResult
from app.domain.states import Status
from app.postgres.database import Database
from app.store import jobs, leases
from tests.store.test_order import SETTINGS, Machine
from tests.support.jobs import QUEUE, claim_next, row

QUICK_S, SLOW_S = 0.0, 0.05


class Marked(Machine):
    """Does what the machine of the order does, but claims with a cursor, by a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor, self.now_s, self.looks = ScanCursor(), 1.0, 0
        self.joined: dict[int, int] = {}  # number -> after how many looks
        self.delayed: set[int] = set()
        self.taken: dict[int, InLine] = {}

    def joins(self, number: int, *, lifo: bool, joined_us: int) -> None:
        super().joins(number, lifo=lifo, joined_us=joined_us)
        self.joined[number] = self.looks
        if row(self.conn, number).status == Status.DELAYED:
            self.delayed.add(number)

    @rule(held=consumes(Machine.active))
    def release(self, held: LeaseKey) -> None:
        kept = self.taken.pop(held.number)
        leases.release(self.conn, queue=QUEUE, releases=[Release(lease=held)])
        self.line[held.number], self.joined[held.number] = kept, self.looks

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.5, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(target=Machine.active, limit=st.integers(1, 4), took_s=st.sampled_from([QUICK_S, SLOW_S, SLOW_S]))
    def claim(self, limit: int, took_s: float) -> MultipleResults[LeaseKey]:
        now_us = self.settled_us()
        jobs.promote(self.conn, queue=QUEUE, limit=100)
        ready = {number: job for number, job in self.line.items() if job.joined_us <= now_us}
        self.joined |= dict.fromkeys(ready.keys() & self.delayed, self.looks)  # by the promotion just now
        self.delayed -= ready.keys()
        claimed = self.claimed(limit, took_s)
        order = line(ready.values())
        taken = [order.index(ready[key.number]) for key in claimed]
        assert taken == sorted(taken)
        for number in ready.keys() - {key.number for key in claimed}:
            if taken and order.index(ready[number]) < taken[-1]:
                assert self.joined[number] == self.looks
        self.taken |= {key.number: self.line.pop(key.number) for key in claimed}
        return multiple(*claimed)

    def claimed(self, limit: int, took_s: float) -> list[LeaseKey]:
        start = self.cursor.start(now_s=self.now_s)
        keys, scan = self.look(limit, start)
        self.looks += start == HEAD
        self.cursor.note(scan._replace(took_s=took_s), now_s=self.now_s)
        return keys

    def look(self, limit: int, start: Place) -> tuple[list[LeaseKey], ScanResult]:
        found = claim_next(self.conn, limit, start=start)
        return [job.key for job in found.taken], found.scan


class MarkedByTheApi(Marked):
    """Claims with the other statement."""

    def look(self, limit: int, start: Place) -> tuple[list[LeaseKey], ScanResult]:
        found, scan, *_ = leases.claim(self.conn, queue=QUEUE, limit=limit, lease_ms=60_000, worker="w", start=start)
        return [lease.key for lease in found], scan


@pytest.mark.parametrize("machine", [Marked, MarkedByTheApi])
def test_a_job_is_overtaken_only_if_it_joined_after_the_last_look_from_the_head(
    db: Database, machine: type[Marked]
) -> None:
    machine.db = db
    run_state_machine_as_test(machine, settings=SETTINGS)
