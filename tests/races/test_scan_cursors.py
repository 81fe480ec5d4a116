"""Many workers with scan cursors, and jobs that become ready in front of these: no job is skipped for good."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest

from app.domain import scan
from app.domain.job import ClaimedJob, Completion, Failure, JsonText, NewJob, Release
from app.domain.scan import ScanCursor
from app.domain.states import Status
from app.operations import claim as claims
from app.operations import exchange, maintenance, settle
from app.operations import jobs as operations
from app.operations.claim import Ask
from app.postgres.database import Database
from app.queries import jobs
from tests.support import work
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.jobs import QUEUE, claim, insert, new
from tests.support.race import race

ADDERS, TURNS = 4, 30


class RolledBack(Exception):
    """Ends a transaction as a failure would."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no scan from the head count as quick: the cursors are always in use."""
    monkeypatch.setattr(scan, "QUICK_S", -1.0)


def anyhow(random: Random) -> NewJob:
    """Make a job that may stand anywhere in line."""
    return new(
        priority=random.choice((0, 0, 1, 2)),
        lifo=random.random() < 0.3,
        delay_ms=random.choice((0, 0, 0, 20)),
        attempts=3,
    )


def add(db: Database, random: Random) -> int:
    """Add jobs, some of them in a transaction that commits late; say how many."""
    operations.submit_many(db, queue=QUEUE, new=[anyhow(random) for _ in range(5)])
    with db.begin() as conn:
        insert(conn, anyhow(random))
        operations.submit_many(db, queue=QUEUE, new=[anyhow(random)])
    claim_in_vain(db)
    return 7


def claim_in_vain(db: Database) -> None:
    """Take jobs in a transaction that is rolled back: meanwhile others skip them."""
    with suppress(RolledBack), db.begin() as conn:
        claim(conn, 3)
        raise RolledBack


def end(db: Database, job: ClaimedJob, random: Random) -> Completion | None:
    """Hand a job back, fail it or lose it; or say that it went well."""
    chance = random.random()
    if chance < 0.1:
        settle.release(db, queue=QUEUE, releases=[Release(lease=job.key)])
    elif chance < 0.2:
        settle.fail(db, queue=QUEUE, failures=[Failure(lease=job.key, reason="r")], random=random)
    elif chance < 0.25:
        settle.recover_dead(db, queue=QUEUE, held=[job.key], max_stalled_count=1_000)
    else:
        return Completion(lease=job.key, result=JsonText("1"))
    return None


def exchanged(db: Database, done: list[Completion], ask: Ask, known: ScanCursor) -> list[ClaimedJob]:
    """Tell and take as Python workers do."""
    return exchange.exchange(db, queue=QUEUE, completions=done, ask=ask, cursor=known).taken


def claimed(db: Database, done: list[Completion], ask: Ask, known: ScanCursor) -> list[ClaimedJob]:
    """Tell and take as the API and dispatchers do."""
    if done:
        work.complete_all(db, queue=QUEUE, completions=done)
    found = claims.claim(db, queue=QUEUE, limit=ask.limit, lease_ms=ask.lease_ms, worker=ask.worker, cursor=known)
    return [lease.taken for lease in found.leases]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("take", [exchanged, claimed])
def test_no_job_is_left_behind_however_many_take_them_with_marks(
    crowd: Database, take: Callable[[Database, list[Completion], Ask, ScanCursor], list[ClaimedJob]]
) -> None:
    added, lock, over = Counter[str](), threading.Lock(), threading.Event()

    def racer(nth: int) -> None:
        random = Random(nth)
        if nth < ADDERS:
            for turn in range(TURNS):
                count = add(crowd, Random(nth * TURNS + turn))
                with lock:
                    added["jobs"] += count
            with lock:
                added["over"] += 1
            if nth == 0:
                until(lambda: added["over"] == ADDERS and ended(crowd) == added["jobs"], within_s=60)
                over.set()
            return
        known, done = ScanCursor(), list[Completion]()
        while not over.is_set():
            ask = Ask(limit=random.randrange(1, 8), lease_ms=60_000, worker=str(nth))
            taken = take(crowd, done, ask, known)
            done = [word for job in taken if (word := end(crowd, job, random))]
            if not taken:
                over.wait(0.01)

    race(racer)

    assert maintenance.recount(crowd, actor=ACTOR) == []


def ended(db: Database) -> int:
    found = jobs.Pages(db).read(queue=QUEUE, part=jobs.Part(statuses=(Status.COMPLETED, Status.FAILED)))
    return sum(found.counts.values())
