"""`rowline plans`, as a person calls it."""

import json
from pathlib import Path

import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.commands import lines, said
from tests.support.plans import run

ADD = "select rowline.enqueue('mail', 'n', '{\"customer\": {\"id\": 42}}') from generate_series(1, 3)"


@pytest.fixture
def filled(own_url: str) -> str:
    """A queue with three jobs of customer 42 and one of another."""
    databases.run(own_url, ADD)
    databases.run(own_url, "select rowline.enqueue('mail', 'other', '{\"customer\": {\"id\": 43}}')")
    return own_url


def go_on(url: str) -> None:
    """Do what the service does."""
    db = Database(Settings(database_url=url), url=url, size=1, name="test")
    run(db)
    db.close()


def test_a_plan_is_looked_at_applied_and_undone(filled: str) -> None:
    made = said(filled, "plans", "make", "mail", "remove", "--data", "customer.id=42")
    assert "No job is changed yet. Apply it: rowline plans apply mail " in made
    assert made.count("waiting  n") == 3
    [plan] = lines(filled, "plans", "list", "mail")
    assert (plan["status"], plan["matched"], plan["filter"]) == ("planned", 3, {"data": {"customer.id": "42"}})
    refused = said(filled, "plans", "apply", "mail", plan["id"], "--matched", "2", code=5)
    assert refused == "Error: the plan means 3 jobs, not 2: look at it again"
    unasked = said(filled, "plans", "apply", "mail", plan["id"], code=1)
    assert unasked == "Error: Not a terminal: give --matched 3"
    said(filled, "plans", "apply", "mail", plan["id"], "--matched", "3", "--rate", "1000")
    twice = said(filled, "plans", "apply", "mail", plan["id"], code=5)
    assert twice.startswith("Error: the plan is being applied already")
    go_on(filled)
    assert "applied" in said(filled, "plans", "wait", "mail", plan["id"])
    shown = json.loads(said(filled, "plans", "show", "mail", plan["id"], "--wait", "--json"))
    assert (shown["status"], shown["done"], shown["ratePerS"]) == ("applied", 3, 1000)
    said(filled, "plans", "undo", "mail", plan["id"])
    go_on(filled)
    assert "undone" in said(filled, "plans", "list", "mail")
    assert json.loads(said(filled, "queues", "show", "mail", "--json"))["counts"]["waiting"] == 4
    acts = [line.split("  ")[2] for line in said(filled, "audit", "--queue", "mail").splitlines()]
    assert acts == ["plans.undone", "plans.undo", "plans.applied", "plans.apply", "plans.create"]


def test_a_retry_is_stopped_and_undone_and_says_how_many_jobs_stay(filled: str) -> None:
    ids = said(filled, "jobs", "list", "mail", "-q").splitlines()[:4]
    said(filled, "jobs", "cancel", "mail", *ids, "--yes")
    made = json.loads(said(filled, "plans", "make", "mail", "retry", "--status", "failed", "--json"))
    said(filled, "plans", "apply", "mail", made["id"], "--matched", "4", "--rate", "1000")
    go_on(filled)
    said(filled, "jobs", "remove", "mail", ids[0])
    said(filled, "jobs", "cancel", "mail", ids[1])
    said(filled, "plans", "undo", "mail", made["id"])
    go_on(filled)
    shown = said(filled, "plans", "show", "mail", made["id"])
    assert "Jobs that are not as they were:" in shown
    assert ids[1] in shown
    assert "Not undone: 2, since they have begun, or were promoted, cancelled, retried or removed by hand" in shown
    assert json.loads(said(filled, "plans", "show", "mail", made["id"], "--json"))["undone"] == 2
    assert json.loads(said(filled, "queues", "show", "mail", "--json"))["counts"]["failed"] == 3
    in_sql = "select action, status, done, undone, not_undone from report.plans"
    assert databases.ask(filled, in_sql) == [("retry", "undone", 4, 2, 2)]


def test_a_plan_is_stopped(filled: str) -> None:
    made = json.loads(
        said(filled, "plans", "make", "mail", "change", "--name", "n", "--change", '{"priority": 3}', "--json")
    )
    assert (made["matched"], made["change"], len(made["sample"])) == (3, {"priority": 3}, 3)
    assert json.loads(said(filled, "plans", "stop", "mail", made["id"], "--json"))["status"] == "stopped"
    assert 'change {"priority":3}' in said(filled, "plans", "list", "mail")
    refused = said(filled, "plans", "apply", "mail", made["id"], code=5)
    assert refused.startswith("Error: the plan is stopped: only one that is planned can be applied. For what is left,")
    assert refused.endswith("make a new plan with the same filter")


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["retry"], 2, "filter must name what to look for"),
        (["retry", "--data", "customer"], 2, "must look like customer.id=42"),
        (["retry", "--since", "soon"], 2, "is not a time such as 24h, 2026-11-27"),
        (["change", "--name", "n"], 2, "change must name what to change"),
        (["change", "--name", "n", "--change", '{"data": 1}'], 2, "change.data is not known here"),
        (["burn", "--name", "n"], 2, "Invalid value"),
    ],
)
def test_a_faulty_plan_is_a_line(own_url: str, words: list[str], code: int, fault: str) -> None:
    assert fault in said(own_url, "plans", "make", "mail", *words, code=code)


def test_there_is_no_such_plan(own_url: str) -> None:
    assert said(own_url, "plans", "show", "mail", "absent", code=3).startswith("Error: queue 'mail' has no plan")


def test_a_length_of_time_is_one_before_now(filled: str) -> None:
    databases.run(filled, "update rowline.jobs set added_at = added_at - interval '2 hours' where name = 'other'")
    assert json.loads(said(filled, "plans", "make", "mail", "cancel", "--since", "1h", "--json"))["matched"] == 3
    assert json.loads(said(filled, "plans", "make", "mail", "cancel", "--until", "1h", "--json"))["matched"] == 1


@pytest.mark.parametrize(("answer", "code", "status"), [("y", 0, "applying"), ("n", 1, "planned")])
def test_a_person_is_asked_before_a_plan_is_applied(filled: str, answer: str, code: int, status: str) -> None:
    plan_id = json.loads(said(filled, "plans", "make", "mail", "remove", "--name", "n", "--json"))["id"]
    apply = [Path(PYTHON[0]).with_name("rowline"), "plans", "apply", "mail", plan_id]
    with Program(apply, env={"DATABASE_URL": filled}, terminal=True) as program:
        program.type(f"{answer}\n")
        assert program.end() == code
        assert "Remove 3 jobs of 'mail'? [y/N]:" in program.output
    assert json.loads(said(filled, "plans", "show", "mail", plan_id, "--json"))["status"] == status


def test_the_way_to_apply_a_plan_comes_behind_its_jobs_where_both_are_read_as_one(filled: str) -> None:
    make: list[str | Path] = [Path(PYTHON[0]).with_name("rowline"), "plans", "make", "mail", "remove", "--name", "n"]
    with Program(make, env={"DATABASE_URL": filled}) as program:
        assert program.end() == 0
        assert program.output.splitlines()[-1].startswith("No job is changed yet. Apply it: rowline plans apply mail ")


def test_a_clean_shows_its_limit(filled: str) -> None:
    said(filled, "queues", "clean", "mail", "--status", "waiting", "--limit", "2", "--yes")
    assert "remove limit 2" in said(filled, "plans", "list", "mail")


def test_what_cannot_be_meant_is_refused_in_a_line(filled: str) -> None:
    huge = said(filled, "plans", "make", "mail", "change", "--name", "n", "--change", '{"priority": 1e400}', code=2)
    assert huge.startswith("Error: change.priority must be")
    twice = said(filled, "plans", "make", "mail", "remove", "--data", "a=1", "--data", "a=2", code=2)
    assert "--data names a twice" in twice
