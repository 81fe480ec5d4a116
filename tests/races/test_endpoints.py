"""Many dispatchers racing for one endpoint: together they keep its limits."""

import threading
from contextlib import ExitStack

import pytest

from app.domain import scan
from app.domain.endpoint import Limiter
from app.domain.job import Completion, JsonText, Lease
from app.domain.scan import ScanCursor
from app.operations import endpoints as operations
from app.operations import jobs
from app.operations.claim import Ask
from app.postgres.database import Database
from app.queries import endpoints as queries
from tests.support import receivers, work
from tests.support.jobs import new
from tests.support.race import RACERS, race

JOBS = 120


def revision(db: Database) -> str:
    return queries.revisions(db)["q"]


def connect_all(db: Database) -> None:
    """Open all connections: whoever has one could be done with all jobs before others, who connect first, begin."""
    with ExitStack() as stack:
        for _ in range(db.size):
            stack.enter_context(db.write_once())


def ask(nth: object, *, lease_ms: int = 60_000) -> Ask:
    return Ask(limit=operations.CLAIM_MAX, lease_ms=lease_ms, worker=f"push:{nth}")


def test_dispatchers_together_never_have_more_calls_than_concurrency(crowd: Database) -> None:
    receivers.register(crowd, "https://example.com/", concurrency=3)
    jobs.submit_many(crowd, queue="q", new=[new() for _ in range(JOBS)])
    registered, lock = revision(crowd), threading.Lock()
    under_way, most, done, workers = 0, 0, 0, set()
    connect_all(crowd)

    def racer(nth: int) -> None:
        nonlocal under_way, most, done
        while done < JOBS:
            taken = operations.exchange_calls(crowd, queue="q", revision=registered, ask=ask(nth)).leases
            with lock:
                under_way += len(taken)
                most = max(most, under_way)
                workers.update([nth] * len(taken))
            for lease in taken:
                with lock:
                    under_way -= 1
                work.complete_all(crowd, completions=[Completion(lease=lease.key, result=JsonText("1"))])
                with lock:
                    done += 1

    race(racer)
    assert (most, done, under_way) == (3, JOBS, 0)
    assert len(workers) > 1


@pytest.mark.parametrize("quick_count_s", [60.0, -1.0], ids=["counting all", "past what is dead"])
def test_dispatchers_that_tell_and_take_at_once_never_have_more_calls_than_concurrency_and_none_has_all(
    crowd: Database, monkeypatch: pytest.MonkeyPatch, quick_count_s: float
) -> None:
    monkeypatch.setattr(scan, "QUICK_COUNT_S", quick_count_s)
    receivers.register(crowd, "https://example.com/", concurrency=8)
    jobs.submit_many(crowd, queue="q", new=[new() for _ in range(JOBS)])
    registered, lock = revision(crowd), threading.Lock()
    under_way, most, done, workers = 0, 0, 0, set()
    connect_all(crowd)

    def racer(nth: int) -> None:
        nonlocal under_way, most, done
        held, known = list[Lease](), ScanCursor()
        while done < JOBS or held:
            told = [Completion(lease=lease.key, result=JsonText("1")) for lease in held]
            with lock:
                under_way -= len(told)
            turn = operations.exchange_calls(
                crowd, queue="q", revision=registered, ask=ask(nth), completions=told, cursor=known
            )
            held = turn.leases
            with lock:
                under_way += len(held)
                most = max(most, under_way)
                done += len(turn.completed)
                workers.update([nth] * len(held))

    race(racer)
    assert (most <= 8, done, under_way) == (True, JOBS, 0)
    assert len(workers) > 1


def test_dispatchers_together_never_make_more_calls_in_a_window_than_the_limiter_allows(
    crowd: Database,
) -> None:
    limiter = Limiter(max_calls=7, window_ms=3_600_000)
    receivers.register(crowd, "https://example.com/", concurrency=1000, limiter=limiter)
    jobs.submit_many(crowd, queue="q", new=[new() for _ in range(JOBS)])
    registered = revision(crowd)

    def racer(nth: int) -> int:
        claims = [operations.exchange_calls(crowd, queue="q", revision=registered, ask=ask(nth)) for _ in range(20)]
        return sum(len(claimed.leases) for claimed in claims)

    assert sum(race(racer)) == 7
    assert RACERS > 7
    waited = operations.exchange_calls(crowd, queue="q", revision=registered, ask=ask("x", lease_ms=1))
    assert 3_000_000 < (waited.next_claim_ms or 0) <= 3_600_000


def test_a_revision_that_was_replaced_takes_nothing(crowd: Database) -> None:
    receivers.register(crowd, "https://example.com/")
    old = revision(crowd)
    receivers.register(crowd, "https://example.com/2")
    jobs.submit_many(crowd, queue="q", new=[new()])

    assert operations.exchange_calls(crowd, queue="q", revision=old, ask=ask("x", lease_ms=1)).leases == []
    assert not operations.switch_off(crowd, queue="q", revision=old, reason="late")
    assert operations.exchange_calls(crowd, queue="q", revision=revision(crowd), ask=ask("x", lease_ms=1)).leases
