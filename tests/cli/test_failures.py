"""`rowline failures`, and the commands of mend.md, as a person calls them."""

import pytest

from app.domain import fingerprint
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import work
from tests.support.commands import lines, said
from tests.support.jobs import new
from tests.support.plans import run

MINE = fingerprint.of("TimeoutError: no answer from 10.0.3.7 in 30 s")


@pytest.fixture
def mine(own_url: str) -> Database:
    """A queue with four jobs that failed, three of them alike."""
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="rowline-test")
    reasons = [f"TimeoutError: no answer from 10.0.3.{nth} in {nth}\x1b s" for nth in (1, 2, 3)]
    for reason in ["KeyError: 'a'", *reasons]:
        jobs.submit_many(db, queue="mail", new=[new()])
        work.fail_next(db, queue="mail", reason=reason.replace("\x1b", ""))
    return db


@pytest.mark.usefixtures("mine")
def test_failures_are_shown_in_groups(own_url: str) -> None:
    found = lines(own_url, "failures", "mail")
    assert [(one["count"], one["example"]) for one in found] == [
        (3, "TimeoutError: no answer from 10.0.3.3 in 3 s"),
        (1, "KeyError: 'a'"),
    ]
    assert found[0]["fingerprint"] == said(own_url, "failures", "mail", "-q").splitlines()[0] == MINE
    shown = said(own_url, "failures", "mail", "--limit", "1")
    assert MINE in shown
    assert "KeyError" not in shown
    assert "1 more groups are not shown" in shown


def test_a_group_is_looked_at_and_retried(own_url: str, mine: Database) -> None:
    listed = said(own_url, "jobs", "list", "mail", "--fingerprint", MINE, "--limit", "5")
    assert listed.count("TimeoutError") == 3
    said(own_url, "plans", "make", "mail", "retry", "--fingerprint", MINE)
    [plan] = lines(own_url, "plans", "list", "mail")
    assert (plan["matched"], plan["filter"]) == (3, {"fingerprint": MINE})
    said(own_url, "plans", "apply", "mail", plan["id"], "--matched", "3", "--rate", "1000")
    run(mine)
    assert [one["count"] for one in lines(own_url, "failures", "mail")] == [1]


def test_what_is_no_fingerprint_is_told(own_url: str) -> None:
    refused = said(own_url, "jobs", "list", "mail", "--fingerprint", "x", code=2)
    assert "must be 16 hexadecimal digits" in refused
