"""Removals of more jobs than a request removes; and steps that fail."""

from typing import Any

import pytest

from app.domain.plan import UNFINISHED_MAX
from app.operations import plans
from app.postgres.database import Connection, Database, DatabaseError
from app.store import search
from app.store.search import Searched
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.plans import run
from tests.web.test_plans import look
from tests.web.test_queues import JOB, claimed, queue
from tests.web.test_removals import acts, left, post


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("drain", {"delayed": True}),
        ("clean", {"status": "waiting", "grace": 0}),
        ("obliterate", {}),
        ("obliterate", {"force": True}),
    ],
)
def test_what_a_request_has_no_time_for_goes_on_by_itself(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch, verb: str, body: dict[str, Any]
) -> None:
    ended = failing(monkeypatch, at=1)
    client.add(*[JOB] * 5)
    plan = post(client, verb, body)
    ended()
    assert (plan["status"], plan["done"]) == ("applying", 0)
    late = client.add(JOB)[0]["id"]  # added after the call
    assert queue(client)["paused"] == (verb == "obliterate")
    run(db)
    assert (look(client, plan)["status"], look(client, plan)["done"]) == ("applied", 5)
    assert [job["id"] for job in client.page()["jobs"]] == [late]
    assert len(claimed(client)) == 1
    assert acts(client)[-1][:2] == ("plans.applied", 5)
    assert left(shared_url, "queue_settings") == 0


def test_an_obliterate_for_which_there_are_too_many_plans_says_that_the_queue_is_paused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(JOB)
    ended = failing(monkeypatch, at=1)
    for _ in range(UNFINISHED_MAX):
        post(client, "drain", {})
    refused = client.post("/queues/q/obliterate", "")
    ended()
    assert answers.problem(refused, 409)["code"] == "too_many_plans"
    assert answers.error(refused, 409).endswith("It is paused now")
    assert queue(client)["paused"]
    assert len(client.page()["jobs"]) == 1


def failing(monkeypatch: pytest.MonkeyPatch, *, at: int) -> Any:
    """Have the steps fail, from the `at`th on; return what ends that."""
    steps, real, patch = [0], search.search, pytest.MonkeyPatch()

    def searched(conn: Connection, **asked: Any) -> Searched:
        steps[0] += 1
        if steps[0] >= at:
            raise DatabaseError("away")
        return real(conn, **asked)

    patch.setattr(search, "search", searched)
    monkeypatch.setattr(plans, "AT_ONCE", 2)
    return patch.undo


def test_a_limit_holds_over_the_request_and_what_goes_on_behind_it(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = failing(monkeypatch, at=2)
    client.add(*[JOB] * 5)
    plan = post(client, "clean", {"status": "waiting", "grace": 0, "limit": 3})
    ended()
    assert (plan["status"], plan["done"], plan["limit"]) == ("applying", 2, 3)
    run(db)
    assert look(client, plan)["done"] == 3
    assert queue(client)["counts"]["waiting"] == 2


def test_jobs_with_so_much_that_a_step_takes_too_long_are_removed_in_small_ones(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = search.search

    def searched(conn: Connection, *, most: int, **asked: Any) -> Searched:
        if most > 50:
            raise DatabaseError("canceling statement due to statement timeout")
        return real(conn, most=most, **asked)

    client.add(*[JOB] * 30)
    with monkeypatch.context() as patch:
        patch.setattr(search, "search", searched)
        patch.setattr("app.maintenance.plans.FAILED_S", 0.0)
        plan = post(client, "drain")
        run(db)
    assert look(client, plan)["done"] == 30


def test_a_plan_whose_steps_all_fail_ends_and_says_so(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(JOB)
    ended = failing(monkeypatch, at=1)
    plan = post(client, "drain")
    monkeypatch.setattr("app.maintenance.plans.FAILED_S", 0.0)
    run(db)
    ended()
    found = look(client, plan)
    assert (found["status"], found["done"]) == ("failed", 0)
    assert found["reason"] == "its steps failed, see the log of the service"
    assert acts(client)[-1][:2] == ("plans.failed", 0)
    assert queue(client)["counts"]["waiting"] == 1


def test_a_request_to_a_database_that_is_away_removes_nothing(
    client: Client, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(JOB)
    with monkeypatch.context() as patch:
        patch.setattr("app.store.plans.begin", raises)
        said = answers.problem(client.post("/queues/q/drain", ""), 503)
    assert said["code"] == "database_unavailable"
    assert (queue(client)["counts"]["waiting"], acts(client)) == (1, [])
    assert databases.ask(shared_url, "select count(*) from rowline.plans") == [(0,)]


def raises(_conn: Connection) -> None:
    raise DatabaseError("away")


def test_an_obliterate_that_paused_and_removed_nothing_is_of_unknown_outcome(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(JOB)
    with monkeypatch.context() as patch:
        patch.setattr("app.store.plans.begin", raises)
        said = answers.problem(client.post("/queues/q/obliterate", ""), 503)
    assert (said["code"], said["outcome"]) == ("outcome_unknown", "unknown")
    assert queue(client)["paused"]
