"""Removals of more jobs than a step, or a request, removes; and steps that fail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.domain.removal import Position, clean
from app.domain.states import Status
from app.operations import removal as operations
from app.postgres.database import Connection, DatabaseError, OutcomeUnknown
from app.store import removal as store
from app.web.queues.removal_schemas import cursor_of
from tests.support import answers
from tests.support.client import Client
from tests.web.test_queues import JOB, claimed, queue
from tests.web.test_removals import acts, left, post

BIGGEST = 10**18 - 1


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has time for one step, of two jobs."""
    monkeypatch.setattr(operations, "AT_ONCE", 2)
    monkeypatch.setattr(operations, "LIMIT_S", 0.0)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("drain", {"delayed": True}),
        ("clean", {"status": "waiting", "grace": 0}),
        ("obliterate", {}),
        ("obliterate", {"force": True}),
    ],
)
def test_a_request_whose_time_is_over_says_where_the_next_one_goes_on(
    client: Client, shared_url: str, verb: str, body: dict[str, Any]
) -> None:
    client.add(*[JOB] * 5)
    first = post(client, verb, body)
    assert (first["removed"], first["isComplete"]) == (2, False)
    late = client.add(JOB)[0]["id"]  # added after the call
    second = post(client, verb, body | {"cursor": first["next"]})
    assert (second["removed"], second["isComplete"]) == (2, False)
    assert queue(client)["paused"] == (verb == "obliterate")
    part, removed = second, 4
    while not part["isComplete"]:
        part = post(client, verb, body | {"cursor": part["next"]})
        removed += part["removed"]
    assert removed == 5
    assert [job["id"] for job in client.page()["jobs"]] == [late]
    assert len(claimed(client)) == 1
    assert sum(one[1] for one in acts(client) if one[0] == f"queues.{verb}") == 5
    assert left(shared_url, "queue_settings") == 0


@pytest.mark.parametrize("limit", [0, 3])
def test_a_cursor_that_says_more_was_removed_than_asked_for_is_none(client: Client, limit: int) -> None:
    """Whoever reads the code can make one."""
    client.add(JOB)
    asked = clean(status=Status.WAITING, grace_ms=0, limit=limit)
    body = {"status": "waiting", "grace": 0, "limit": limit}
    for removed, status in ((limit + 1, 400 if limit else 200), (limit, 200)):
        made = cursor_of("q", asked, Position(until=BIGGEST, removed=removed))
        answer = client.post("/queues/q/clean", json.dumps(body | {"cursor": made}))
        assert answer.status_code == status


@pytest.mark.usefixtures("short")
def test_a_limit_holds_over_requests(client: Client) -> None:
    client.add(*[JOB] * 5)
    body: dict[str, Any] = {"status": "waiting", "grace": 0, "limit": 3}
    first = post(client, "clean", body)
    assert post(client, "clean", body | {"cursor": first["next"]}) == {"removed": 1, "isComplete": True}
    assert queue(client)["counts"]["waiting"] == 2


@pytest.mark.usefixtures("short")
def test_a_cursor_is_of_one_queue_and_of_what_was_asked_for(client: Client) -> None:
    client.add(*[JOB] * 5)
    cursor = post(client, "drain")["next"]
    for path, body in (
        ("/queues/other/drain", {}),
        ("/queues/q/drain", {"delayed": True}),
        ("/queues/q/obliterate", {}),
        ("/queues/q/clean", {"status": "waiting", "grace": 0}),
    ):
        verb = path.rpartition("/")[2]
        said = answers.error(client.post(path, json.dumps(body | {"cursor": cursor})), 400)
        assert said == f"cursor is none that the same {verb} of this queue gave as next"
    for wrong in ("", "x", cursor[:-1], cursor + "0", "9" + cursor):
        assert answers.error(client.post("/queues/q/drain", json.dumps({"cursor": wrong})), 400).startswith("cursor ")
    assert queue(client)["counts"]["waiting"] == 3


def test_many_steps_are_two_entries_of_the_audit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "AT_ONCE", 2)
    client.add(*[JOB] * 3, *[JOB | {"opts": {"priority": 1}}] * 4)
    assert post(client, "drain") == {"removed": 7, "isComplete": True}
    assert acts(client) == [
        ("queues.drain", 2, None, {"delayed": False}),
        ("queues.drain", 5, None, {"delayed": False}),
    ]


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, error: DatabaseError, *, at: int) -> Iterator[None]:
    """Have a step fail, the `at`th."""
    steps, real = [0], store.remove

    def remove(conn: Connection, **asked: Any) -> store.Step:
        steps[0] += 1
        if steps[0] >= at:
            raise error
        return real(conn, **asked)

    with monkeypatch.context() as patch:
        patch.setattr(store, "remove", remove)
        patch.setattr(operations, "AT_ONCE", 2)
        yield


def test_a_request_whose_later_step_fails_says_what_was_removed_and_where_to_go_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(*[JOB] * 7)
    with failing(monkeypatch, DatabaseError("away"), at=3):
        first = post(client, "drain")
    assert (first["removed"], first["isComplete"]) == (4, False)
    assert post(client, "drain", {"cursor": first["next"]}) == {"removed": 3, "isComplete": True}
    assert [one[1] for one in acts(client)] == [2, 2, 3]


def test_jobs_with_so_many_log_lines_that_a_step_takes_too_long_are_removed_in_small_ones(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.remove

    def remove(conn: Connection, *, limit: int, **asked: Any) -> store.Step:
        if limit > 50:
            raise DatabaseError("canceling statement due to statement timeout")
        return real(conn, limit=limit, **asked)

    monkeypatch.setattr(store, "remove", remove)
    client.add(*[JOB] * 30)
    assert post(client, "drain") == {"removed": 30, "isComplete": True}
    assert sum(one[1] for one in acts(client)) == 30


def test_a_request_whose_first_step_fails_removes_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.add(JOB)
    with failing(monkeypatch, DatabaseError("away"), at=1):
        said = answers.problem(client.post("/queues/q/drain", ""), 503)
    assert said["code"] == "database_unavailable"
    assert queue(client)["counts"]["waiting"] == 1
    assert acts(client) == []


def test_an_obliterate_that_paused_and_removed_nothing_is_of_unknown_outcome(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(JOB)
    with failing(monkeypatch, DatabaseError("away"), at=1):
        said = answers.problem(client.post("/queues/q/obliterate", ""), 503)
    assert (said["code"], said["outcome"]) == ("outcome_unknown", "unknown")
    assert queue(client)["paused"]


def test_a_step_of_unknown_outcome_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.add(*[JOB] * 5)
    with failing(monkeypatch, OutcomeUnknown("lost"), at=2):
        said = answers.problem(client.post("/queues/q/drain", ""), 503)
    assert said["outcome"] == "unknown"
