"""Plans against claims, settlements, other plans, undo and stops: each job has one fate, and counts are right."""

from collections.abc import Callable, Iterator
from random import Random

import psycopg
import pytest

from app.domain.errors import RowlineError
from app.domain.job import Change
from app.domain.jobfilter import JobFilter
from app.domain.plan import Plan, PlanAction, PlanStatus
from app.domain.states import Status
from app.infra.settings import Settings
from app.maintenance.plans import PlanRunner
from app.operations import manage, plans
from app.postgres.database import Database
from app.queries import jobplans
from tests.races.test_manage import DONE, add, check, complete, fail, outcome, take
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.race import RACERS, race
from tests.support.raw import TOKEN, Server, server

JOBS = 400
READY = (Status.WAITING, Status.PRIORITIZED)
END = (PlanStatus.APPLIED, PlanStatus.STOPPED, PlanStatus.UNDONE)


@pytest.fixture
def crowd(patient: Settings, own_url: str) -> Iterator[Database]:
    """A database of its own with a connection for each racer."""
    opened = Database(patient, url=own_url, size=RACERS, name="rowline-worker")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps, between which others get their turn."""
    monkeypatch.setattr(plans, "AT_ONCE", 20)


def planned(db: Database, action: PlanAction, *statuses: Status) -> Plan:
    plan = plans.create(db, actor=ACTOR, queue="q", action=action, wanted=JobFilter(statuses=statuses))
    while plan.status is PlanStatus.PLANNING:
        plan = plans.step(db, queue="q", plan_id=plan.id) or plan
    return plan


def applied(db: Database, plan: Plan) -> Plan:
    return plans.apply(db, actor=ACTOR, queue="q", plan_id=plan.id, matched=plan.matched)


def ended(db: Database, plan: Plan) -> Plan:
    """Make steps, beside others that do, until the plan has ended."""
    while plan.status not in END:
        plan = plans.step(db, queue="q", plan_id=plan.id) or jobplans.find(db, queue="q", plan_id=plan.id)
    return plan


def ids(url: str, table: str = "jobs", *statuses: str) -> set[str]:
    found = databases.ask(url, f"select number::text, status from rowline.{table} where queue = 'q'")
    return {number for number, status in found if not statuses or status in statuses}


def test_a_job_is_claimed_or_a_plan_removes_it_and_none_is_both_or_neither(crowd: Database, own_url: str) -> None:
    every = {*add(crowd, JOBS)}
    plan = applied(crowd, planned(crowd, PlanAction.REMOVE, *READY))

    def racer(nth: int) -> list[str]:
        if nth % 4 == 0:
            ended(crowd, plan)
            return []
        return [lease.job.id for _ in range(JOBS // 30) for lease in take(crowd, 2)]

    claimed = [job_id for found in race(racer) for job_id in found]
    assert len(claimed) == len({*claimed})
    assert ids(own_url) == {*claimed} == ids(own_url, "jobs", "active")
    assert ids(own_url, "plan_removed") == every - {*claimed}
    done = jobplans.find(crowd, queue="q", plan_id=plan.id)
    assert (done.done, sum(done.skipped.values())) == (JOBS - len(claimed), len(claimed))
    check(crowd, own_url)


def test_many_that_make_steps_of_one_plan_do_nothing_twice(crowd: Database, own_url: str) -> None:
    every = add(crowd, JOBS)
    for lease in take(crowd, JOBS):
        fail(crowd, [lease])
    plan = applied(crowd, planned(crowd, PlanAction.RETRY, Status.FAILED))
    race(lambda _nth: ended(crowd, plan))
    done = jobplans.find(crowd, queue="q", plan_id=plan.id)
    assert (done.done, done.skipped) == (JOBS, {})
    assert [lease.job.id for lease in take(crowd, JOBS)] == every
    check(crowd, own_url)


@pytest.mark.parametrize("ending", [complete, fail])
def test_a_removal_beside_ends_is_undone_to_what_it_removed(
    crowd: Database, own_url: str, ending: Callable[..., set[str]]
) -> None:
    add(crowd, JOBS, attempts=2)
    leases = take(crowd, JOBS // 2)
    plan = applied(crowd, planned(crowd, PlanAction.REMOVE, *READY, Status.ACTIVE, Status.COMPLETED))

    def racer(nth: int) -> None:
        if nth % 4 == 0:
            ended(crowd, plan)
        else:
            for lease in leases[nth % 4 :: 3][nth // 4 :: 4]:
                ending(crowd, [lease])

    race(racer)
    removed, left = ids(own_url, "plan_removed"), ids(own_url)
    assert not removed & left
    assert len(removed) + len(left) == JOBS
    check(crowd, own_url)
    undone = plans.undo(crowd, actor=ACTOR, queue="q", plan_id=plan.id)
    race(lambda _nth: ended(crowd, undone))
    assert ids(own_url) == removed | left
    assert ids(own_url, "plan_removed") == set()
    check(crowd, own_url)


def retried(db: Database) -> Plan:
    """Have all failed jobs retried by a plan, and return it, to be undone."""
    plan = ended(db, applied(db, planned(db, PlanAction.RETRY, Status.FAILED)))
    return plans.undo(db, actor=ACTOR, queue="q", plan_id=plan.id)


def test_a_retried_job_is_claimed_or_put_back_and_none_is_both_or_neither(crowd: Database, own_url: str) -> None:
    every = {*add(crowd, JOBS)}
    fail(crowd, take(crowd, JOBS))
    undoing = retried(crowd)

    def racer(nth: int) -> list[str]:
        if nth % 4 == 0:
            ended(crowd, undoing)
            return []
        return [lease.job.id for _ in range(JOBS // 30) for lease in take(crowd, 2)]

    claimed = [job_id for found in race(racer) for job_id in found]
    assert len(claimed) == len({*claimed})
    assert ids(own_url, "jobs", "active") == {*claimed}
    assert ids(own_url, "jobs", "failed") == every - {*claimed}
    done = jobplans.find(crowd, queue="q", plan_id=undoing.id)
    assert (done.undone, done.not_undone) == (JOBS - len(claimed), len(claimed))
    check(crowd, own_url)


def test_what_hands_retry_beside_an_undo_stays_retried_and_what_they_change_is_undone(
    crowd: Database, own_url: str
) -> None:
    every = add(crowd, JOBS)
    fail(crowd, take(crowd, JOBS))
    undoing = retried(crowd)

    def racer(nth: int) -> list[str]:
        if nth % 4 == 0:
            ended(crowd, undoing)
            return []
        mine = every[nth::RACERS]
        if nth % 4 == 1:
            for priority, job_id in enumerate(mine * 2):
                outcome(manage.change, crowd, job_id, change=Change(priority=priority % 2))
            return []
        for job_id in mine:
            outcome(manage.cancel, crowd, job_id)
        return [job_id for job_id in mine if outcome(manage.retry, crowd, job_id) == DONE]

    again = {job_id for found in race(racer) for job_id in found}
    assert again
    assert ids(own_url, "jobs", "waiting") == again
    assert ids(own_url, "jobs", "failed") == {*every} - again
    done = jobplans.find(crowd, queue="q", plan_id=undoing.id)
    assert done.undone + done.not_undone == JOBS
    check(crowd, own_url)


def test_plans_that_mean_the_same_jobs_share_them(crowd: Database, own_url: str) -> None:
    add(crowd, JOBS)
    made = [planned(crowd, action, *READY) for action in (PlanAction.REMOVE, PlanAction.CANCEL) for _ in range(2)]
    for plan in made:
        applied(crowd, plan)

    def racer(nth: int) -> None:
        for plan in Random(nth).sample(made, len(made)):
            ended(crowd, jobplans.find(crowd, queue="q", plan_id=plan.id))

    race(racer)
    found = [jobplans.find(crowd, queue="q", plan_id=plan.id) for plan in made]
    assert sum(plan.done for plan in found) == JOBS
    assert all(plan.done + sum(plan.skipped.values()) == JOBS for plan in found)
    assert ids(own_url) == ids(own_url, "jobs", "failed")
    check(crowd, own_url)


def test_behind_the_response_of_a_stop_nothing_changes(crowd: Database, own_url: str) -> None:
    add(crowd, JOBS)
    plan = applied(crowd, planned(crowd, PlanAction.REMOVE, *READY))

    def racer(nth: int) -> int | None:
        if nth:
            ended(crowd, plan)
            return None
        until(lambda: jobplans.find(crowd, queue="q", plan_id=plan.id).done)
        try:
            return plans.stop(crowd, actor=ACTOR, queue="q", plan_id=plan.id).done
        except RowlineError:  # it had ended
            return JOBS

    [done] = filter(None, race(racer))
    assert len(ids(own_url, "plan_removed")) == done
    assert len(ids(own_url)) == JOBS - done
    check(crowd, own_url)


@pytest.mark.parametrize(("action", "status"), [(PlanAction.REMOVE, "waiting"), (PlanAction.RETRY, "failed")])
def test_a_plan_whose_process_is_killed_goes_on_in_another(
    crowd: Database, own_url: str, action: PlanAction, status: str
) -> None:
    """With real processes: of two that serve, the one that makes the rounds is killed in the middle."""
    every = {*add(crowd, JOBS)}
    if status == "failed":
        fail(crowd, take(crowd, JOBS))
    plan = planned(crowd, action, Status(status))
    with server(own_url) as first, server(own_url) as second:
        asked = f'{{"matched": {JOBS}, "ratePerS": 200}}'
        with psycopg.connect(databases.as_owner(own_url)) as holder:  # until then it cannot come to its end
            holder.execute("select from rowline.jobs where number = %s for update", [max(every, key=int)])
            told = post(first, f"/queues/q/plans/{plan.id}/apply", asked)
            assert told["status"] == "applying"
            until(lambda: jobplans.find(crowd, queue="q", plan_id=plan.id).done > 0)
            first.program.process.kill()
            before = jobplans.find(crowd, queue="q", plan_id=plan.id).done
        assert before < JOBS
        until(lambda: jobplans.find(crowd, queue="q", plan_id=plan.id).status in END)
        post(second, f"/queues/q/plans/{plan.id}/undo", "")
        until(lambda: jobplans.find(crowd, queue="q", plan_id=plan.id).status is PlanStatus.UNDONE)
    done = jobplans.find(crowd, queue="q", plan_id=plan.id)
    assert (done.done, done.skipped, done.undone) == (JOBS, {}, JOBS)
    assert ids(own_url, "jobs", status) == ids(own_url) == every
    check(crowd, own_url)


def post(of: Server, path: str, body: str) -> dict[str, object]:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n"
    [answer] = of.ask(f"{head}Connection: close\r\n\r\n{body}".encode())
    assert answer.status == 200, answer.body
    return dict(answer.json())


def test_a_runner_that_does_not_lead_any_more_makes_no_step(crowd: Database) -> None:
    add(crowd, 1)
    plan = applied(crowd, planned(crowd, PlanAction.REMOVE, *READY))
    runner = PlanRunner(crowd)
    runner.tick()
    runner.rest()
    assert runner.pause_s() is None
    assert ended(crowd, plan).done == 1
