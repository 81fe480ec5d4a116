"""What calls say of their endpoint is stored once, however many say it."""

from typing import Any

import pytest

from app.infra.settings import Settings
from app.operations import endpoints
from app.postgres.database import Database, DatabaseError
from app.push.call_outcomes import CallOutcome, failed
from app.push.endpoint_dispatcher import EndpointDispatcher, Tools
from app.queries.endpoints import find
from app.wire.job import JobSchema
from tests.support import receivers, work
from tests.support.jobs import new
from tests.support.workers import add

Noted = list[tuple[str, int]]


class NoCalls:
    def to(self, *_: object, **__: object) -> None:
        """Return no target: the test says what a call brings."""


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    found: Noted = []

    def pause(_db: Database, *, queue: str, revision: str, pause_ms: int) -> None:
        found.append(("pause", round(pause_ms, -4)))  # which of them; some of it is over

    def switch_off(_db: Database, *, queue: str, revision: str, reason: str) -> bool:
        found.append(("switch_off", 0))
        return True

    monkeypatch.setattr(endpoints, "pause", pause)
    monkeypatch.setattr(endpoints, "switch_off", switch_off)
    return found


@pytest.fixture
def dispatcher(db: Database, settings: Settings) -> EndpointDispatcher:
    receivers.register(db, "http://127.0.0.1:1/")
    endpoint = find(db, queue="q")
    assert endpoint
    outbound: Any = NoCalls()
    job_json = JobSchema(queue_prefix="bull")
    tools = Tools(
        settings=settings, db=db, outbound=outbound, job_json=job_json, name="push:1", note_call=lambda *_: None
    )
    return EndpointDispatcher(tools, endpoint, headers={}, secrets=[])


def calls_end(dispatcher: EndpointDispatcher, db: Database, *outcomes: CallOutcome) -> None:
    add(db, *[new() for _ in outcomes])
    for lease, outcome in zip(work.take(db, queue="q", limit=len(outcomes)), outcomes, strict=True):
        running: Any = None
        dispatcher._calls[lease.key] = running  # noqa: SLF001
        dispatcher._call = lambda *_, outcome=outcome: outcome  # type: ignore[method-assign]  # noqa: SLF001
        dispatcher._work(lease.job, lease.taken)  # noqa: SLF001


def test_the_longest_pause_is_stored_once(dispatcher: EndpointDispatcher, db: Database, noted: Noted) -> None:
    calls_end(dispatcher, db, *[failed("HTTP 503", wait_ms=wait_ms) for wait_ms in (10_000, 60_000, 20_000)])
    assert noted == []
    dispatcher._note()  # noqa: SLF001 - what the loop does at each turn
    calls_end(dispatcher, db, failed("HTTP 503", wait_ms=30_000), failed("HTTP 500"))
    dispatcher._note()  # noqa: SLF001

    assert noted == [("pause", 60_000)]


def test_an_endpoint_that_is_gone_is_switched_off_once(
    dispatcher: EndpointDispatcher, db: Database, noted: Noted
) -> None:
    calls_end(dispatcher, db, *[CallOutcome(ending=None)] * 3)
    dispatcher._note()  # noqa: SLF001
    dispatcher._note()  # noqa: SLF001

    assert noted == [("switch_off", 0)]


def test_what_could_not_be_stored_is_stored_at_the_next_turn(
    dispatcher: EndpointDispatcher, db: Database, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("away")

    calls_end(dispatcher, db, failed("HTTP 503", wait_ms=60_000))
    with monkeypatch.context() as away:
        away.setattr(endpoints, "pause", fail)
        dispatcher._note()  # noqa: SLF001
    dispatcher._note()  # noqa: SLF001

    assert noted == [("pause", 60_000)]
