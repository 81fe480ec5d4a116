"""A pause under busy claimers: after its answer no claim hands out a job, whatever the way of working."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import psycopg
import pytest

from app.domain.job import Completion, JsonText
from app.domain.scan import ScanCursor
from app.infra.settings import Settings
from app.operations import claim, endpoints, exchange, jobs, queues
from app.operations.claim import Ask
from app.postgres.database import Database
from app.queries import endpoints as endpoint_queries
from tests.support import databases, receivers, work
from tests.support.acting import ACTOR
from tests.support.jobs import new

CLAIMERS = 16
TRIALS = 12
Claimer = Callable[[Database, str], int]


def over_http(db: Database, _revision: str) -> int:
    """Claim and complete as the API does."""
    found = claim.claim(db, queue="q", limit=2, lease_ms=60_000, worker="http").leases
    told = [Completion(lease=lease.key, result=JsonText("1")) for lease in found]
    return len(work.complete_all(db, completions=told)) if told else 0


def in_python(db: Database, _revision: str) -> int:
    """Claim and complete as workers do."""
    ask = Ask(limit=2, lease_ms=60_000, worker="python")
    cursor = ScanCursor()
    found = exchange.exchange(db, queue="q", completions=[], ask=ask, cursor=cursor).taken
    told = [Completion(lease=job.key, result=JsonText("1")) for job in found]
    return len(exchange.exchange(db, queue="q", completions=told).completed) if told else 0


def pushed(db: Database, revision: str) -> int:
    """Claim and complete as dispatchers do."""
    ask = Ask(limit=2, lease_ms=60_000, worker="push:1")
    found = endpoints.exchange_calls(db, queue="q", revision=revision, ask=ask).leases
    told = [Completion(lease=lease.key, result=JsonText("1")) for lease in found]
    return len(work.complete_all(db, completions=told)) if told else 0


WAYS: dict[str, Claimer] = {"http": over_http, "python": in_python, "push": pushed}


@pytest.fixture
def service(patient: Settings, own_url: str) -> Iterator[Database]:
    """A database for the claimers, who are known as workers."""
    opened = Database(patient, url=own_url, size=CLAIMERS, name="rowline-worker")
    yield opened
    opened.close()


@pytest.fixture
def person(patient: Settings, own_url: str) -> Iterator[Database]:
    """A connection for who pauses."""
    opened = Database(patient, url=own_url, size=1, name="rowline-queues")
    yield opened
    opened.close()


def test_a_paused_queue_hands_out_no_job_after_the_answer_by_any_way(
    service: Database, person: Database, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "BARRIER_S", 60.0)
    receivers.register(service, "https://example.com/", concurrency=1000)
    revision = endpoint_queries.revisions(service)["q"]
    over = threading.Event()
    done = dict.fromkeys(WAYS, 0)
    turns = [0] * CLAIMERS

    def claimer(nth: int) -> None:
        way = list(WAYS)[nth % len(WAYS)]
        while not over.is_set():
            done[way] += WAYS[way](service, revision)
            turns[nth] += 1

    threads = [threading.Thread(target=claimer, args=(nth,)) for nth in range(CLAIMERS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(TRIALS):
            _add_and_await_claims(service, own_url)
            paused = queues.pause(person, actor=ACTOR, queue="q", reason=None)
            assert paused.claims_in_flight == 0
            started = _last_start(own_url)
            jobs.submit_many(service, queue="q", new=[new() for _ in range(50)])
            before = [*turns]
            while any(now < was + 2 for now, was in zip(turns, before, strict=True)):
                over.wait(0.005)  # until each claimer has claimed since then
                assert all(thread.is_alive() for thread in threads)
            assert _last_start(own_url) == started
            queues.resume(person, actor=ACTOR, queue="q")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert all(done.values()), done


def _add_and_await_claims(db: Database, url: str) -> None:
    """Add jobs, and wait until the first of them is claimed."""
    before = _last_start(url)
    jobs.submit_many(db, queue="q", new=[new() for _ in range(300)])
    while _last_start(url) == before:
        time.sleep(0.002)


def _last_start(url: str) -> datetime | None:
    """Return when a job was claimed last, as far as that is committed."""
    [(at,)] = databases.ask(url, "select max(processed_at) from rowline.jobs")
    return at if isinstance(at, datetime) else None


def test_a_claim_that_began_before_is_awaited_and_counted_if_it_does_not_end(
    service: Database, person: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.submit_many(service, queue="q", new=[new()])
    monkeypatch.setattr(queues, "BARRIER_S", 0.3)
    with service.begin() as conn:
        conn.exec_driver_sql("select 1 from rowline.jobs")
        assert queues.pause(person, actor=ACTOR, queue="q", reason=None).claims_in_flight == 1
    monkeypatch.setattr(queues, "BARRIER_S", 60.0)
    ended = threading.Event()

    def claims() -> None:
        with service.begin() as conn:
            conn.exec_driver_sql("select 1 from rowline.jobs")
            begun.set()
            ended.wait(60)

    begun = threading.Event()
    thread = threading.Thread(target=claims)
    thread.start()
    begun.wait()
    threading.Timer(0.2, ended.set).start()
    assert queues.pause(person, actor=ACTOR, queue="q", reason=None).claims_in_flight == 0
    assert ended.is_set()
    thread.join()


def test_transactions_of_other_programs_are_not_awaited(service: Database, person: Database, own_url: str) -> None:
    with psycopg.connect(databases.as_owner(own_url), application_name="a-report") as other:
        other.execute("select 1 from rowline.jobs")
        assert queues.pause(person, actor=ACTOR, queue="q", reason=None).claims_in_flight == 0
