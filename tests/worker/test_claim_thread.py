"""The thread of a worker over HTTP that claims goes on whatever a server says: nobody else would claim."""

import json
import threading

import pytest
import rowline

from app.infra.settings import Settings
from app.worker.httpsource import HttpSource
from app.worker.sources import SourceUnavailable
from tests.support import hostile
from tests.support.clusters import until
from tests.support.jobs import QUEUE

JOB = {"id": "1", "name": "n", "data": 1, "opts": {}, "status": "active", "timestamp": 1, "attemptsMade": 0}


def troubles(url: str, *, count: int) -> list[str]:
    """Claim until so many claims have failed; return why."""
    source = HttpSource(Settings(), url=url, token="t", queue=QUEUE, worker="w")
    rung, causes = threading.Event(), []
    source.start(rung.set)

    def has_all() -> bool:
        try:
            source.exchange((), limit=1)
        except SourceUnavailable as error:
            causes.append(str(error))
        return len(causes) == count

    try:
        until(has_all)
    finally:
        source.stop()
    return causes


@pytest.mark.parametrize("asked", ["9" * 400, "9" * 5_000, "-1", "NaN", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_retry_after_ends_it(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.httpsource.CALL_S", 0.1)
    monkeypatch.setattr("app.worker.httpsource.CLAIM_MS", 0)
    said = hostile.answer({"error": "later", "code": "x"}, f"Retry-After: {asked}", status="503 Later")
    with hostile.saying(said) as server:
        assert troubles(server.url, count=2) == ["later", "later"]


@pytest.mark.parametrize(
    "said",
    [
        [1],
        None,
        {"jobs": 5},
        {"jobs": [{"job": JOB | {"opts": [1]}, "token": "t", "lockedUntil": 1}]},
        {"jobs": [{"job": JOB | {"attemptsMade": "x"}, "token": "t", "lockedUntil": 1}]},
        {"jobs": [{"job": JOB | {"attemptsMade": 10**300}, "token": "t", "lockedUntil": 1}]},
        {"jobs": [{"job": JOB | {"opts": {"timeout": "x"}}, "token": "t", "lockedUntil": 1}]},
        {"jobs": [{"job": JOB | {"opts": {"timeout": 10**400}}, "token": "t", "lockedUntil": 1}]},
        json.dumps({"jobs": [{"job": JOB | {"name": "\ud800"}, "token": "t", "lockedUntil": 1}]}).encode(),
        b"[" * 100_000,
        b"\xff",
        b'{"jobs":[' * 50_000,
    ],
    ids=str,
)
def test_no_strange_answer_ends_it(said: object) -> None:
    with hostile.saying(hostile.answer(said)) as server:
        assert len(troubles(server.url, count=2)) == 2


@pytest.mark.parametrize("details", [5, [5], ["x"], {"a": 1}, [[]]])
def test_no_strange_error_ends_it(details: object) -> None:
    said = {"error": {"not": "text"}, "code": [], "requestId": 5, "details": details, "outcome": {}}
    with hostile.saying(hostile.answer(said, status="400 No")) as server:
        assert len(troubles(server.url, count=2)) == 2


@pytest.mark.parametrize("error", [ValueError("odd"), OverflowError("odd"), MemoryError("odd"), AssertionError("odd")])
def test_no_error_of_its_own_ends_it(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(rowline.Queue, "claim", fails)
    assert troubles("http://127.0.0.1:1", count=2) == [f"{type(error).__name__}: odd"] * 2
