"""Plans beside each other: none keeps those of others from their steps, and a rate holds whoever makes the steps."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator

import pytest

from app.domain.errors import TooManyPlans
from app.domain.jobfilter import JobFilter
from app.domain.plan import IDLE_KEPT_S, UNFINISHED_MAX, Plan, PlanAction, PlanStatus
from app.domain.removal import drain
from app.infra.settings import Settings
from app.maintenance import plans as running
from app.maintenance.plans import PlanRunner
from app.operations import jobs, plans, removal
from app.postgres.database import LONG_SHARE, Database
from app.queries import jobplans
from tests.support import answers, databases
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.clusters import PYTHON, Program, free_port, until
from tests.support.jobs import new
from tests.support.plans import run
from tests.support.race import race
from tests.support.tokens import issue

SLOW_PER_S = 0.001
ALL = JobFilter(name="n")


@pytest.fixture
def api(db: Database, shared_url: str) -> Iterator[Program]:
    env = {"DATABASE_URL": shared_url, "AUTH_TOKENS": "t", "PORT": str(free_port())}
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as program:
        program.expect("api_started")
        yield program


def add(db: Database, queue: str, count: int = 3) -> None:
    jobs.submit_many(db, queue=queue, new=[new() for _ in range(count)])


def applied(db: Database, queue: str, *, rate_per_s: float | None = None) -> Plan:
    """Have a removal of all jobs of a queue applied, by whoever makes the rounds."""
    made = plans.create(db, actor=ACTOR, queue=queue, action=PlanAction.REMOVE, wanted=ALL)
    until(lambda: look(db, made).status is PlanStatus.PLANNED)  # another process may make its first step
    plan = look(db, made)
    return plans.apply(db, actor=ACTOR, queue=queue, plan_id=plan.id, matched=plan.matched, rate_per_s=rate_per_s)


def look(db: Database, plan: Plan) -> Plan:
    return jobplans.find(db, queue=plan.queue, plan_id=plan.id)


def test_a_plan_that_rests_for_long_keeps_no_other_waiting(db: Database, api: Program) -> None:
    for queue in ("slow", "quick", "quick too"):
        add(db, queue)
    slow = applied(db, "slow", rate_per_s=SLOW_PER_S)
    until(lambda: look(db, slow).done == 1)
    quick = applied(db, "quick")
    until(lambda: look(db, quick).status is PlanStatus.APPLIED)
    plans.stop(db, actor=ACTOR, queue="slow", plan_id=slow.id)
    again = applied(db, "quick too")
    until(lambda: look(db, again).status is PlanStatus.APPLIED)
    assert look(db, slow).done == 1


def test_a_rate_holds_whichever_processes_make_the_steps(db: Database) -> None:
    add(db, "slow")
    slow = applied(db, "slow", rate_per_s=SLOW_PER_S)
    for _ in range(3):
        PlanRunner(db).tick()
    [one] = plans.running(db)
    assert (look(db, slow).done, one.id) == (1, slow.id)
    assert 900 < one.wait_s <= 1000


def test_a_plan_whose_steps_break_fails_and_those_of_others_go_on(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(db, "bad")
    add(db, "good")
    bad, good = applied(db, "bad"), applied(db, "good")
    step = plans.step

    def broken(db: Database, *, queue: str, plan_id: str, most: int | None = None) -> Plan | None:
        if queue == "bad":
            raise LookupError("a bug")
        return step(db, queue=queue, plan_id=plan_id, most=most)

    monkeypatch.setattr(running, "FAILED_S", 0.0)
    monkeypatch.setattr(plans, "step", broken)
    runner = PlanRunner(db)
    for _ in range(running.TRIES):
        runner.tick()
    assert look(db, good).status is PlanStatus.APPLIED
    assert (look(db, bad).status, look(db, bad).done) == (PlanStatus.FAILED, 0)
    assert "a bug" in caplog.text


def test_a_queue_with_many_plans_gets_as_many_steps_as_one_with_few(db: Database) -> None:
    add(db, "many")
    add(db, "few")
    many = [applied(db, "many") for _ in range(3)]
    few = applied(db, "few")
    runner = PlanRunner(db)
    runner.tick()
    assert [look(db, plan).done for plan in many].count(3) == 1
    assert look(db, few).done == 3
    run(db)
    assert [look(db, plan).status for plan in many] == [PlanStatus.APPLIED] * 3


def test_twenty_plans_of_a_queue_are_not_finished_at_most_whoever_makes_them_at_once(
    db: Database, settings: Settings, shared_url: str
) -> None:
    add(db, "q", 1)
    patient = Database(dataclasses.replace(settings, pool_wait_ms=60_000), url=shared_url, size=8, name="rowline-test")

    def racer(_nth: int) -> int:
        made = 0
        for _ in range(3):
            try:
                plans.create(patient, actor=ACTOR, queue="q", action=PlanAction.RETRY, wanted=ALL)
            except TooManyPlans:
                continue
            made += 1
        return made

    assert sum(race(racer)) == UNFINISHED_MAX
    patient.close()


def test_what_takes_long_leaves_connections_to_calls_that_are_short(own_url: str) -> None:
    settings = Settings(database_url=own_url)
    db = Database(settings, url=own_url, size=LONG_SHARE, name="rowline-test")
    add(db, "q")
    with db.long_work() as is_mine:
        assert is_mine
        plan = plans.create(db, actor=ACTOR, queue="q", action=PlanAction.REMOVE, wanted=ALL)
        drained = removal.remove(db, actor=ACTOR, queue="q", asked=drain())
    assert (plan.status, drained.status, drained.done) == (PlanStatus.PLANNING, PlanStatus.APPLYING, 0)
    run(db)
    assert look(db, drained).done == 3
    db.close()


def test_a_plan_that_did_nothing_is_forgotten_soon(db: Database, shared_url: str) -> None:
    idle = removal.remove(db, actor=ACTOR, queue="q", asked=drain())
    add(db, "q")
    done = removal.remove(db, actor=ACTOR, queue="q", asked=drain())
    databases.run(shared_url, f"update rowline.plans set ended_at = ended_at - interval '{IDLE_KEPT_S + 1} seconds'")
    plans.forget(db)
    kept = jobplans.page(db, queue="q", start=0, length=10)
    assert [plan.id for plan in kept] == [done.id]
    assert idle.status is PlanStatus.APPLIED


def test_what_is_named_twice_counts_once(client: Client) -> None:
    ids = [job["id"] for job in client.add(*[{"name": "n", "data": 1, "opts": {"tags": ["t"]}}] * 3)]
    wanted = {"statuses": ["waiting"] * 2, "tag": ["t"] * 2, "ids": ids * 2}
    plan = answers.ok(client.post("/queues/q/plans", json.dumps({"action": "remove", "filter": wanted})))
    assert (plan["status"], plan["matched"], plan["filter"]["statuses"]) == ("planned", 3, ["waiting"])


def test_an_obliterate_is_stopped_by_who_may_obliterate(client: Client, db: Database) -> None:
    add(db, "q")
    with contextlib.ExitStack() as busy:
        while busy.enter_context(db.long_work()):
            pass  # so that it does not end within the request
        plan = answers.ok(client.post("/queues/q/obliterate"))
    path = f"/queues/q/plans/{plan['id']}/stop"
    manager = Client(client.flask, token=issue(db, "jobs:manage@q", "jobs:read@q").secret)
    assert answers.error(manager.post(path), 403) == "the token lacks the scope queues:manage@q"
    assert answers.ok(client.post(path))["status"] == "stopped"
