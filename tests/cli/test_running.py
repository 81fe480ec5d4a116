"""`rowline running` and `rowline plans list`, of one queue and of all."""

import pytest

from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import work
from tests.support.commands import lines, said
from tests.support.jobs import new


@pytest.fixture
def filled(own_url: str) -> str:
    """Two queues, each with a job that runs and one that waits."""
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="rowline-test")
    for queue in ("mail", "zoo"):
        jobs.submit_many(db, queue=queue, new=[new(custom_id=f"{queue}-1"), new()])
        work.take(db, queue=queue)
    return own_url


def test_what_runs_is_listed_of_all_queues_or_of_one(filled: str) -> None:
    assert [(job["queue"], job["id"]) for job in lines(filled, "running")] == [("mail", "mail-1"), ("zoo", "zoo-1")]
    assert said(filled, "running", "zoo", "-q") == "zoo-1"
    shown = said(filled, "running", "--limit", "1")
    assert "mail-1" in shown
    assert "zoo-1" not in shown
    assert "1 more are not shown" in shown
    assert said(filled, "running", "none") == "running: no rows"


def test_plans_are_listed_of_all_queues_or_of_one(filled: str) -> None:
    for queue in ("mail", "zoo"):
        said(filled, "plans", "make", queue, "cancel", "--status", "waiting")
    assert [plan["queue"] for plan in lines(filled, "plans", "list")] == ["zoo", "mail"]
    assert "zoo" in said(filled, "plans", "list")
    assert [plan["queue"] for plan in lines(filled, "plans", "list", "mail")] == ["mail"]
