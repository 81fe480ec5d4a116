"""Claims over HTTP share the connections that they may have."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.infra import callers
from app.operations import claim
from app.operations.claim import Ask, Claimed
from app.operations.longpoll import Waiting
from app.postgres.database import Database
from tests.support.clusters import until

SLOW, FLOOD = "slow", 12
NOTHING = Claimed(leases=[], next_due_ms=None)


def test_slow_claims_of_one_token_hold_up_no_claim_of_another(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Semaphore(0)
    begun: list[str] = []

    def look(_db: Database, *, queue: str, **_asked: Any) -> Claimed:
        begun.append(queue)
        if queue == SLOW:
            assert going.acquire(timeout=60)
        return NOTHING

    monkeypatch.setattr(claim, "claim", look)
    waiting = Waiting(db, poll_ms=60_000, wait_ms=60_000)

    def ask(token: str, queue: str) -> None:
        callers.current.set(token)
        ask = Ask(limit=1, lease_ms=1_000, worker=token)
        waiting.claim(queue=queue, ask=ask, wait_ms=0, has_left=lambda: False)

    with ThreadPoolExecutor(FLOOD) as pool, ThreadPoolExecutor(1) as another:
        flood = [pool.submit(ask, "a", SLOW) for _ in range(FLOOD)]
        try:
            until(lambda: len(begun) + sum(map(len, waiting._semaphore._lines.values())) == FLOOD)  # noqa: SLF001
            another.submit(ask, "b", "quick").result(timeout=60)
            assert begun.count(SLOW) < db.size - 1
        finally:
            for _ in flood:
                going.release()
    assert begun.count(SLOW) == FLOOD
