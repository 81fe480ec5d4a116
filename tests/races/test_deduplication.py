"""Deduplication against claims, ends, removals, retries, followers and itself: an id has one life at a time."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from app.domain.deduplication import ADDED, Deduplication, InsertOutcome
from app.domain.job import NewJob
from app.infra.settings import Settings
from app.operations import deduplication, jobs, maintenance, manage
from app.operations.adding import Submitted
from app.postgres.database import Database
from app.store import counts
from tests.races.test_manage import complete, fail, outcome, take
from tests.support import databases, work
from tests.support.jobs import counted, new
from tests.support.race import RACERS, race

IDS = ("a", "b", "c", "d", "e", "f")
ADDERS, ROUNDS = 7, 40
LIVES = """
    select data::text, added_at, coalesce(finished_at, '9999-01-01'), number from rowline.jobs
    where queue = 'q' order by data::text, added_at, number
"""
HELD_BY_NONE = """
    select count(*) from rowline.deduplications as held
    where stored is not null or number is null
"""
Outcomes = Counter[str]


@pytest.fixture
def crowd(patient: Settings, own_url: str) -> Iterator[Database]:
    """A database of its own with a connection for each racer."""
    opened = Database(patient, url=own_url, size=RACERS, name="rowline-worker")
    yield opened
    opened.close()


def array(random: Random, mode: Deduplication, **fields: Any) -> list[NewJob]:
    """An array over a few ids, some of them twice; the data of a job is its id."""
    asked = [random.choice(IDS) for _ in range(random.randint(1, 8))]
    return [new(data=f'"{one}"', deduplication=mode._replace(id=one), **fields) for one in asked]


def add(db: Database, asked: list[NewJob]) -> list[Submitted]:
    return jobs.submit_many(db, queue="q", new=asked)


class Day:
    """Adders, workers and followers of one queue, until the adders are done and nothing is left to do."""

    def __init__(self, db: Database, mode: Deduplication, **fields: Any) -> None:
        self._db, self._mode, self._fields = db, mode, fields
        self._adding = threading.Semaphore(0)
        self.told: list[InsertOutcome] = []

    def run(self) -> Outcomes:
        """Return how often each outcome was told."""
        race(self._racer)
        return Counter(one.value for one in self.told)

    def _racer(self, nth: int) -> None:
        random = Random(nth)
        if nth < ADDERS:
            for _ in range(ROUNDS):
                self.told += [one.outcome for one in add(self._db, array(random, self._mode, **self._fields))]
            self._adding.release()
            return
        for _ in range(ADDERS):  # until all adders have ended
            while not self._adding.acquire(timeout=0.001):
                self._work(random)
            self._adding.release()

    def _work(self, random: Random) -> None:
        deduplication.follow(self._db)
        maintenance.promote_due(self._db)
        leases = take(self._db, random.randint(1, 4))
        (fail if random.random() < 0.3 else complete)(self._db, leases)

    def finish(self) -> None:
        """Work what is left."""
        while True:
            deduplication.follow(self._db)
            maintenance.promote_due(self._db)
            leases = take(self._db)
            if not leases:
                return
            complete(self._db, leases)


def overlapping(url: str) -> list[str]:
    """Return the ids of which a job was added while another one had not ended."""
    lives = databases.ask(url, LIVES)
    pairs = itertools.pairwise(lives)
    return [one[0] for one, following in pairs if one[0] == following[0] and following[1] < one[2]]


def are_counted(db: Database) -> bool:
    work.fold(db)
    with db.begin() as conn:
        return dict(counts.count(conn, queue="q")) == counted(conn, "q")


def test_no_two_lives_of_an_id_overlap(crowd: Database, own_url: str) -> None:
    day = Day(crowd, Deduplication(id=""))
    told = day.run()
    day.finish()
    assert set(told) == {"created", "deduplicated"}
    assert databases.ask(own_url, "select count(*) from rowline.jobs") == [(told["created"],)]
    assert overlapping(own_url) == []
    assert are_counted(crowd)


def test_a_window_lets_one_in_each_time(crowd: Database, own_url: str) -> None:
    told = Day(crowd, Deduplication(id="", ttl_ms=50)).run()
    gaps = databases.ask(
        own_url,
        "select min(gap) from (select added_at - lag(added_at) over (partition by data::text order by number) as gap "
        "from rowline.jobs) as each",
    )
    assert set(told) == {"created", "deduplicated"}
    assert told["created"] == len(databases.ask(own_url, LIVES)) >= len(IDS)
    assert gaps[0][0] is None or gaps[0][0].total_seconds() >= 0.05


def test_of_those_who_replace_one_is_there_at_the_end(crowd: Database, own_url: str) -> None:
    mode = Deduplication(id="", ttl_ms=3_600_000, extends=True, replaces=True)
    told = Day(crowd, mode, delay_ms=3_600_000).run()
    assert told["created"] == len(IDS)
    assert set(told) == {"created", "replaced"}
    assert [data for data, *_ in databases.ask(own_url, LIVES)] == [f'"{one}"' for one in IDS]
    held = databases.ask(own_url, "select number from rowline.deduplications order by 1")
    assert held == databases.ask(own_url, "select number from rowline.jobs order by 1")
    assert are_counted(crowd)


def test_the_last_word_is_worked_last_and_no_two_at_once(crowd: Database, own_url: str) -> None:
    mode = Deduplication(id="", keeps_last=True)
    day = Day(crowd, mode, attempts=2)
    told = day.run()
    active = {lease.job.data for lease in take(crowd)}
    last = {}
    for one in IDS:
        [submitted] = add(crowd, [new(custom_id=f"last-{one}", data=f'"{one}"', deduplication=mode._replace(id=one))])
        last[one] = submitted.outcome
    assert {one for one in IDS if last[one] is InsertOutcome.STORED} == {one for one in IDS if f'"{one}"' in active}
    databases.run(own_url, "update rowline.jobs set leased_until = now() where status = 'active'")
    maintenance.recover_stalled(crowd, max_stalled_count=1)
    day.finish()
    assert told["stored"] > 0
    assert overlapping(own_url) == []
    assert databases.ask(own_url, HELD_BY_NONE) == [(0,)]
    ran = databases.ask(own_url, "select custom_id from rowline.jobs order by number")
    assert {custom_id for (custom_id,) in ran if custom_id} == {
        f"last-{one}" for one in IDS if last[one] in {*ADDED, InsertOutcome.STORED}
    }
    assert are_counted(crowd)


def test_a_holder_that_is_removed_cancelled_or_retried_meanwhile_leaves_no_id_stuck(
    crowd: Database, own_url: str
) -> None:
    modes = [Deduplication(id=""), Deduplication(id="", replaces=True), Deduplication(id="", keeps_last=True)]
    tries = {"job_active", "job_finished", "job_not_finished", "job_not_found", "done"}

    def racer(nth: int) -> None:
        random = Random(nth)
        for _ in range(ROUNDS):
            if nth < ADDERS:
                add(crowd, array(random, random.choice(modes), delay_ms=random.choice((0, 0, 1))))
                continue
            deduplication.follow(crowd)
            maintenance.promote_due(crowd)
            (fail if nth % 2 else complete)(crowd, take(crowd, 2))
            for _data, *_, number in databases.ask(own_url, LIVES + " limit 5"):
                verb = random.choice((manage.remove_job, manage.cancel, manage.retry))
                assert outcome(verb, crowd, str(number)) in tries

    race(racer)
    Day(crowd, modes[0]).finish()
    assert databases.ask(own_url, HELD_BY_NONE) == [(0,)]
    added = add(crowd, [new(data=f'"{one}"', deduplication=Deduplication(id=one)) for one in IDS])
    assert {one.outcome for one in added} == {InsertOutcome.CREATED}
    assert are_counted(crowd)
