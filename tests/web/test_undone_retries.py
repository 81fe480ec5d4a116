"""The undo of a retry, as a client sees it: what has not begun since is as it was, and all else stays."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.maintenance.plans import PlanRunner
from app.operations import maintenance, plans
from app.postgres.database import Database
from app.queries import jobs as queries
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.plans import run
from tests.web.test_plans import JOB, MINE, PATH, applied, counted, do, fail, look, make, post

FAILED = {"statuses": ["failed"]}
HOUR_MS = 3_600_000
Act = Callable[[Client, Database, str], object]


def undo(client: Client, db: Database, plan: dict[str, Any]) -> dict[str, Any]:
    """Have a plan undone, and return it as it is then."""
    do(client, plan, "undo")
    run(db)
    return look(client, plan)


def stored(url: str) -> list[Any]:
    """Return all that is stored of jobs."""
    return databases.ask(url, "select job::text from rowline.jobs as job order by number")


def ended_in_many_ways(client: Client, db: Database) -> list[str]:
    """Add jobs that have failed or completed, each in another way; return their ids."""
    opts = {"attempts": 2, "backoff": 0, "tags": ["x"], "priority": 3}
    [retried] = client.add(JOB | {"opts": opts})
    for nth in range(2):
        work.fail_next(db, reason=f"broke {nth}", stack=f"at {nth}")
    [done, cancelled, lifo] = client.add(JOB, JOB | {"opts": {"delay": HOUR_MS}}, JOB | {"opts": {"lifo": True}})
    answers.ok(post(client, f"/queues/q/jobs/{cancelled['id']}/cancel"))
    work.fail_next(db, reason="broke too")
    work.complete_next(db, result='{"b": 1.50, "a": "\\u00e9"}')
    [stalled] = client.add(JOB)
    work.stall_next(db, max_stalled_count=0)
    [late] = client.add(JOB | {"opts": {"startBy": 1}})
    assert maintenance.fail_unstarted(db) == {"q": 1}
    return [one["id"] for one in (retried, done, cancelled, lifo, stalled, late)]


def test_what_has_not_begun_is_as_it_was_in_each_column_and_counted_once(
    client: Client, db: Database, shared_url: str
) -> None:
    ids = ended_in_many_ways(client, db)
    work.fold(db)
    before = stored(shared_url)
    seen, counts = [client.job(one) for one in ids], client.page()["counts"]
    told = "select sum(added), sum(completed), sum(failed) from rowline.job_minutes"
    minutes = databases.ask(shared_url, told)

    plan = applied(client, db, "retry", {"since": 0})
    assert plan["done"] == len(before) == 6
    assert client.page()["counts"] | {"waiting": 0, "prioritized": 0} == dict.fromkeys(counts, 0)
    assert plan["undoUntil"] - plan["endedOn"] == 86_400_000
    undone = undo(client, db, plan)
    assert (undone["status"], undone["undone"], undone["notUndone"]) == ("undone", 6, 0)
    assert stored(shared_url) == before
    assert [client.job(one) for one in ids] == seen
    assert client.page()["counts"] == counts
    work.fold(db)
    assert client.page()["counts"] == counts
    assert databases.ask(shared_url, told) == minutes
    assert work.take(db, limit=10) == []


def claim(_client: Client, db: Database, _job: str) -> None:
    work.take(db)


def fail_again(_client: Client, db: Database, _job: str) -> None:
    work.fail_next(db, reason="again")


def release(_client: Client, db: Database, _job: str) -> None:
    work.release_next(db)


def complete(_client: Client, db: Database, _job: str) -> None:
    work.complete_next(db)


def cancel(client: Client, _db: Database, job: str) -> None:
    answers.ok(post(client, f"/queues/q/jobs/{job}/cancel"))


def retry_after_cancel(client: Client, db: Database, job: str) -> None:
    cancel(client, db, job)
    answers.ok(post(client, f"/queues/q/jobs/{job}/retry"))


def promote(client: Client, _db: Database, job: str) -> None:
    answers.ok(client.patch(f"/queues/q/jobs/{job}", json.dumps({"delay": HOUR_MS})))
    answers.ok(post(client, f"/queues/q/jobs/{job}/promote"))


def remove(client: Client, _db: Database, job: str) -> None:
    answers.ok(client.delete(f"/queues/q/jobs/{job}"))


@pytest.mark.parametrize(
    "act", [claim, fail_again, release, complete, cancel, retry_after_cancel, promote, remove], ids=lambda a: a.__name__
)
def test_what_has_begun_or_moved_on_stays_as_it_is(client: Client, db: Database, shared_url: str, act: Act) -> None:
    first, second = fail(client, db, 2)
    plan = applied(client, db, "retry", FAILED)
    act(client, db, first)
    now = databases.ask(shared_url, f"select job::text from rowline.jobs as job where number = {first}")
    undone = undo(client, db, plan)
    assert (undone["status"], undone["undone"], undone["notUndone"]) == ("undone", 1, 1)
    assert databases.ask(shared_url, f"select job::text from rowline.jobs as job where number = {first}") == now
    assert client.job(second)["status"] == "failed"
    assert [job["id"] for job in undone["sample"]] == ([] if act is remove else [first])
    assert "undoUntil" not in undone
    assert "the plan is undone" in answers.error(post(client, f"{PATH}/{plan['id']}/undo"), 409)


def test_what_a_hand_had_retried_before_the_plan_stays(client: Client, db: Database) -> None:
    first, second = fail(client, db, 2)
    plan = make(client, "retry", FAILED)
    answers.ok(post(client, f"/queues/q/jobs/{first}/retry"))
    do(client, plan, "apply", {"matched": 2})
    run(db)
    undone = undo(client, db, plan)
    assert (undone["done"], undone["undone"], undone["notUndone"]) == (1, 1, 0)
    assert [client.job(job)["status"] for job in (first, second)] == ["waiting", "failed"]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"data": {"x": 2}}, {"data": {"x": 2}}),
        ({"priority": 7, "attempts": 1}, {"priority": 7, "effective": {"priority": 7, "attempts": 1}}),
        ({"tags": ["mine"]}, {"tags": ["mine"]}),
        ({"lifo": True}, {}),
        ({"delay": HOUR_MS}, {"delay": HOUR_MS}),
    ],
)
def test_what_a_hand_changed_meanwhile_is_not_lost(
    client: Client, db: Database, change: dict[str, Any], seen: dict[str, Any]
) -> None:
    [job] = client.add(JOB | {"opts": {"attempts": 3, "tags": ["old"]}})
    work.fail_next(db, reason="broke", unrecoverable=True)
    before = client.job(job["id"])
    plan = applied(client, db, "retry", FAILED)
    changed = answers.ok(client.patch(f"/queues/q/jobs/{job['id']}", json.dumps(change)))
    assert undo(client, db, plan)["undone"] == 1
    after = client.job(job["id"])
    assert {name: after[name] for name in seen} == seen
    restored = ("status", "failedReason", "failedCode", "finishedOn", "attemptsMade", "attemptsStarted", "processedBy")
    assert [after.get(name) for name in restored] == [before.get(name) for name in restored]
    assert after.get("effective") == changed.get("effective")
    answers.ok(post(client, f"/queues/q/jobs/{job['id']}/retry"))
    assert [lease.job.id for lease in work.take(db)] == [job["id"]]


def test_a_group_is_retried_stopped_and_undone_and_its_undo_too_can_be_stopped(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "AT_ONCE", 2)
    ids = fail(client, db, 9)
    [group] = answers.ok(client.get("/queues/q/failures"))["groups"]
    plan = make(client, "retry", {"fingerprint": group["fingerprint"]})
    do(client, plan, "apply", {"matched": 9})
    for _ in range(3):
        PlanRunner(db).tick()
    assert do(client, plan, "stop")["done"] == 6
    work.take(db, limit=1)
    do(client, plan, "undo")
    PlanRunner(db).tick()
    assert "the plan is undoing" in answers.error(post(client, f"{PATH}/{plan['id']}/undo"), 409)
    stopped = do(client, plan, "stop")
    assert (stopped["status"], stopped["undone"], stopped["notUndone"]) == ("stopped", 1, 1)
    undone = undo(client, db, plan)
    assert (undone["status"], undone["undone"], undone["notUndone"]) == ("undone", 5, 1)
    assert counted(shared_url, "plan_retried") == [1], "what came back is forgotten"
    [again] = answers.ok(client.get("/queues/q/failures"))["groups"]
    assert (again["fingerprint"], again["count"], again["lastOn"]) == (group["fingerprint"], 8, group["lastOn"])
    assert client.job(ids[0])["status"] == "active"


def test_an_undo_is_told_as_the_ends_that_the_jobs_have_again(client: Client, db: Database) -> None:
    [failed] = fail(client, db)
    [done] = client.add(JOB)
    work.complete_next(db)
    plan = applied(client, db, "retry", {"since": 0})
    undo(client, db, plan)
    work.fold(db)
    told = answers.ok(client.get("/queues/q/events/page?after=start"))
    kinds = [(one["type"], one.get("id")) for one in told["events"]]
    assert kinds.count(("failed", failed)) == kinds.count(("completed", done["id"])) == 2
    [event] = [one for one in told["events"] if (one["type"], one.get("id")) == ("failed", failed)][1:]
    assert (event["attempt"], event["reason"], event["worker"]) == (1, "broke", work.WORKER)


def test_after_a_day_a_retry_cannot_be_undone_and_nothing_is_left_of_it(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "FORGOTTEN_AT_ONCE", 2)
    fail(client, db, 3)
    plan = applied(client, db, "retry", FAILED)
    databases.run(shared_url, "update rowline.plans set ended_at = ended_at - interval '23 hours'")
    plans.forget(db)
    assert counted(shared_url, "plan_retried", "plans") == [3, 1]
    databases.run(shared_url, "update rowline.plans set ended_at = ended_at - interval '2 hours'")
    plans.forget(db)
    assert counted(shared_url, "plan_retried", "plans", "jobs") == [0, 0, 3]
    assert answers.problem(post(client, f"{PATH}/{plan['id']}/undo"), 404)["code"] == "plan_not_found"


def test_a_retry_by_hand_keeps_nothing(client: Client, db: Database, shared_url: str) -> None:
    [job] = fail(client, db)
    answers.ok(post(client, f"/queues/q/jobs/{job}/retry"))
    assert counted(shared_url, "plan_retried") == [0]


def test_what_a_release_before_retried_stays_and_its_steps_of_an_undo_can_be_made_again(
    client: Client, db: Database, shared_url: str
) -> None:
    first, second = fail(client, db, 2)
    plan = applied(client, db, "retry", FAILED)
    databases.run(shared_url, f"delete from rowline.plan_retried where number = {first}")
    databases.run(shared_url, "update rowline.plans set status = 'undone'")  # it looks for removed jobs, and finds none
    assert "undoUntil" in look(client, plan)
    undone = undo(client, db, plan)
    assert (undone["undone"], undone["notUndone"]) == (1, 1)
    assert [client.job(one)["status"] for one in (first, second)] == ["waiting", "failed"]


def test_of_plans_that_retried_a_job_the_last_one_is_undone(client: Client, db: Database) -> None:
    [job] = fail(client, db)
    first = applied(client, db, "retry", FAILED)
    answers.ok(post(client, f"/queues/q/jobs/{job}/cancel"))
    second = applied(client, db, "retry", FAILED)
    assert undo(client, db, first)["notUndone"] == 1
    assert client.job(job)["status"] == "waiting"
    assert undo(client, db, second)["undone"] == 1
    assert client.job(job)["failedCode"] == "cancelled"


def test_an_undone_job_lets_its_deduplication_id_go_and_who_waits_for_it_hears_its_end(
    client: Client, db: Database
) -> None:
    held = JOB | {"opts": {"deduplication": {"id": "d"}}}
    [job] = client.add(held)
    work.fail_next(db)
    plan = applied(client, db, "retry", MINE)
    assert client.add(held)[0]["outcome"] == "deduplicated"
    undo(client, db, plan)
    assert queries.Lookup(db).find(queue="q", job_id=job["id"]).status == "failed"
    assert client.add(held)[0]["outcome"] == "created"


def test_the_audit_says_who_undid_a_retry_and_of_how_many_jobs(client: Client, db: Database) -> None:
    fail(client, db, 3)
    plan = applied(client, db, "retry", FAILED)
    work.take(db)
    undo(client, db, plan)
    entries = answers.ok(client.get("/audit?queue=q"))["entries"]
    told = [(one["action"], one["target"], one["affected"]) for one in reversed(entries)]
    assert told[-2:] == [("plans.undo", plan["id"], 3), ("plans.undone", plan["id"], 2)]
