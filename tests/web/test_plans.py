"""Plans, as a client sees them: looked at first, then applied, stopped, undone."""

import json
import time
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain import plan as domain
from app.maintenance.plans import PlanRunner
from app.operations import plans, retention
from app.postgres.database import Database
from app.store import search
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.plans import run
from tests.support.tokens import issue

PATH = "/queues/q/plans"
JOB: dict[str, Any] = {"name": "n", "data": {"customer": {"id": 42}}}
MINE = {"data": {"customer.id": 42}}
STATUSES = ("waiting", "prioritized", "delayed", "active", "completed", "failed")


def post(client: Client, path: str, body: Any = None) -> TestResponse:
    return client.post(path, "" if body is None else json.dumps(body))


def make(client: Client, action: str, wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    return dict(answers.ok(post(client, PATH, {"action": action, "filter": wanted} | more)))


def do(client: Client, plan: dict[str, Any], verb: str, body: Any = None) -> dict[str, Any]:
    return dict(answers.ok(post(client, f"{PATH}/{plan['id']}/{verb}", body)))


def look(client: Client, plan: dict[str, Any]) -> dict[str, Any]:
    return dict(answers.ok(client.get(f"{PATH}/{plan['id']}")))


def applied(client: Client, db: Database, action: str, wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Plan, apply what was shown, and return the plan when it has ended."""
    plan = make(client, action, wanted, **more)
    do(client, plan, "apply", {"matched": plan["matched"]})
    run(db)
    return look(client, plan)


def fail(client: Client, db: Database, count: int = 1, **job: Any) -> list[str]:
    """Add jobs and have them fail; return their ids."""
    ids = [str(one["id"]) for one in client.add(*[JOB | job] * count)]
    for _ in ids:
        work.fail_next(db)
    return ids


def test_a_plan_shows_what_it_means_and_changes_nothing_before_it_is_applied(client: Client, db: Database) -> None:
    ids = fail(client, db, 12)
    fail(client, db, data={"customer": {"id": 43}})
    client.add(JOB)
    plan = make(client, "retry", MINE | {"statuses": ["failed"]})
    assert (plan["status"], plan["matched"], plan["done"], plan["skipped"]) == ("planned", 12, 0, {})
    assert (plan["undone"], plan["notUndone"]) == (0, 0)
    assert [job["id"] for job in plan["sample"]] == ids[:10]
    assert plan["filter"] == {"statuses": ["failed"], "data": {"customer.id": "42"}}
    assert client.page()["counts"]["failed"] == 13
    assert plan == look(client, plan)


def test_what_is_applied_is_what_was_shown(client: Client, db: Database) -> None:
    ids = fail(client, db, 3)
    plan = make(client, "retry", MINE | {"statuses": ["failed"]})
    later = fail(client, db)
    do(client, plan, "apply", {"matched": 3})
    run(db)
    ended = look(client, plan)
    assert (ended["status"], ended["done"], ended["skipped"]) == ("applied", 3, {})
    assert [client.job(one)["status"] for one in ids] == ["waiting"] * 3
    assert client.job(later[0])["status"] == "failed"
    assert "sample" not in ended


@pytest.mark.parametrize(
    ("action", "allowed", "skipped"),
    [
        ("remove", {"waiting", "prioritized", "delayed", "completed", "failed"}, {"job_active": 1}),
        ("retry", {"completed", "failed"}, {"job_active": 0, "job_not_finished": 4}),
        ("promote", {"delayed"}, {"job_not_delayed": 5}),
        ("cancel", {"waiting", "prioritized", "delayed", "active"}, {"job_finished": 2}),
        ("change", {"waiting", "prioritized", "delayed"}, {"job_active": 1, "job_finished": 2}),
    ],
)
def test_an_action_skips_what_its_verb_would_refuse(
    client: Client, db: Database, action: str, allowed: set[str], skipped: dict[str, int]
) -> None:
    ids = work.one_in_each_status(client, db)
    more = {"change": {"priority": 7, "tags": ["t"]}} if action == "change" else {}
    ended = applied(client, db, action, {"since": 0}, **more)
    assert (ended["status"], ended["matched"], ended["done"]) == ("applied", 6, len(allowed))
    assert ended["skipped"] == {why: number for why, number in skipped.items() if number}
    for status in allowed:
        answer = client.get(f"/queues/q/jobs/{ids[status]}")
        if action == "remove":
            answers.problem(answer, 404)
            continue
        job = answers.ok(answer)
        if action == "change":
            assert (job["priority"], job["tags"]) == (7, ["t"])
        elif action == "cancel":
            assert job["status"] == ("active" if status == "active" else "failed")
        else:
            assert job["status"] in {"waiting", "prioritized"}


def test_what_has_moved_on_is_skipped_and_told(client: Client, db: Database) -> None:
    ids = fail(client, db, 4)
    plan = make(client, "retry", {"statuses": ["failed"]})
    answers.ok(post(client, f"/queues/q/jobs/{ids[0]}/retry"))  # waiting now
    answers.ok(client.flask.delete(f"/queues/q/jobs/{ids[1]}", headers=client.authorization))
    do(client, plan, "apply", {"matched": 4})
    run(db)
    assert look(client, plan)["skipped"] == {"job_differs": 1, "job_not_found": 1}
    assert look(client, plan)["done"] == 2


def test_retried_jobs_are_worked_in_the_order_in_which_they_were_added(client: Client, db: Database) -> None:
    ids = fail(client, db, 20)
    applied(client, db, "retry", {"statuses": ["failed"]})
    assert [lease.job.id for lease in work.take(db, limit=20)] == ids


def test_a_removal_is_undone_with_all_that_the_jobs_were(client: Client, db: Database, shared_url: str) -> None:
    ids = work.one_in_each_status(client, db)
    kept = [ids[status] for status in STATUSES if status != "active"]
    special = client.add({"name": "ünïcode", "data": ' "a\\/b\\u00e9" ', "opts": {"jobId": "own", "tags": ["x"]}})
    kept.append(special[0]["id"])
    [lease] = work.take(db)  # of the waiting job: it gets an attempt and a log
    assert lease.job.id == ids["waiting"]
    line = client.flask.post(
        f"/queues/q/jobs/{lease.job.id}/logs", data='"line"', headers={"Authorization": f"Bearer {lease.token}"}
    )
    answers.ok(line)
    failed = {"token": lease.token, "failedReason": "r"}
    answers.ok(post(client, f"/queues/q/jobs/{lease.job.id}/fail", failed))
    work.fold(db)
    before = {one: client.job(one) for one in kept}
    past = {one: (client.get(f"/queues/q/jobs/{one}/{what}").json) for one in kept for what in ("attempts", "logs")}
    counts, minutes = client.page()["counts"], databases.ask(shared_url, "select * from rowline.job_minutes")

    plan = applied(client, db, "remove", {"since": 0})
    assert plan["done"] == len(kept)
    assert sum(client.page()["counts"].values()) == 1
    assert plan["undoUntil"] - plan["endedOn"] == 86_400_000
    do(client, plan, "undo")
    run(db)
    undone = look(client, plan)
    assert (undone["status"], undone["undone"], undone["notUndone"]) == ("undone", len(kept), 0)
    assert {one: client.job(one) for one in kept} == before
    assert {
        one: (client.get(f"/queues/q/jobs/{one}/{what}").json) for one in kept for what in ("attempts", "logs")
    } == past
    assert client.page()["counts"] == counts
    work.fold(db)
    assert client.page()["counts"] == counts
    told = "select sum(added), sum(completed), sum(failed) from rowline.job_minutes"
    assert databases.ask(shared_url, told) == [tuple(map(sum, zip(*[row[2:5] for row in minutes], strict=True)))]


def test_a_job_whose_id_is_taken_does_not_come_back(client: Client, db: Database) -> None:
    own = {"opts": {"jobId": "own"}}
    client.add(JOB | own, JOB)
    plan = applied(client, db, "remove", MINE)
    client.add({"name": "other", "data": 1} | own)
    do(client, plan, "undo")
    run(db)
    undone = look(client, plan)
    assert (undone["status"], undone["undone"], undone["notUndone"]) == ("undone", 1, 1)
    assert client.job("own")["name"] == "other"
    assert [job["name"] for job in undone["sample"]] == ["other"], "what has its id"
    assert undone["undoUntil"] > undone["endedOn"]
    answers.ok(client.delete("/queues/q/jobs/own"))
    do(client, plan, "undo")
    run(db)
    undone = look(client, plan)
    assert (undone["status"], undone["undone"], undone["notUndone"]) == ("undone", 2, 0)
    assert "sample" not in undone
    assert client.job("own")["name"] == "n"
    assert "undoUntil" not in undone


def test_a_stopped_plan_changes_nothing_more_and_what_it_removed_can_come_back(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "AT_ONCE", 2)
    client.add(*[JOB] * 5)
    plan = make(client, "remove", MINE)
    do(client, plan, "apply", {"matched": 5})
    PlanRunner(db).tick()
    stopped = do(client, plan, "stop")
    assert (stopped["status"], stopped["done"]) == ("stopped", 2)
    run(db)
    assert client.page()["counts"]["waiting"] == 3
    do(client, plan, "undo")
    run(db)
    assert client.page()["counts"]["waiting"] == 5
    assert answers.problem(post(client, f"{PATH}/{plan['id']}/stop"), 409)["code"] == "wrong_plan_status"


def test_a_plan_keeps_to_its_rate(client: Client, db: Database) -> None:
    fail(client, db, 6)
    plan = make(client, "retry", {"statuses": ["failed"]})
    assert do(client, plan, "apply", {"matched": 6, "ratePerS": 20})["ratePerS"] == 20
    began_at = time.monotonic()
    run(db)
    assert time.monotonic() - began_at >= 2 / 20 * 2  # two jobs in a tenth of a second: the third step comes after two
    assert look(client, plan)["done"] == 6


def test_only_four_plans_of_a_queue_are_applied_side_by_side(client: Client, db: Database) -> None:
    client.add(*[JOB] * 6)
    made = [make(client, "change", MINE, change={"priority": 1 + nth}) for nth in range(6)]
    begun = [do(client, plan, "apply", {"matched": 6})["status"] for plan in made]
    assert begun == ["applying"] * 4 + ["queued"] * 2
    run(db)
    assert [look(client, plan)["status"] for plan in made] == ["applied"] * 6


def test_a_queue_has_at_most_twenty_unfinished_plans(client: Client) -> None:
    made = [make(client, "retry", MINE) for _ in range(domain.UNFINISHED_MAX)]
    refused = post(client, PATH, {"action": "retry", "filter": MINE})
    assert answers.problem(refused, 409)["code"] == "too_many_plans"
    do(client, made[0], "stop")
    make(client, "retry", MINE)
    listed = answers.ok(client.get(f"{PATH}?length=100"))["plans"]
    assert [plan["id"] for plan in listed[1:]] == [plan["id"] for plan in reversed(made)]


def test_a_plan_expires_if_nobody_applies_it(client: Client, db: Database, shared_url: str) -> None:
    client.add(JOB)
    plan = make(client, "remove", MINE)
    databases.run(shared_url, "update rowline.plans set planned_at = planned_at - interval '61 minutes'")
    plans.forget(db)
    assert look(client, plan)["status"] == "expired"
    assert databases.ask(shared_url, "select count(*) from rowline.plan_jobs") == [(0,)]
    refused = post(client, f"{PATH}/{plan['id']}/apply", {"matched": 1})
    assert "expired" in answers.error(refused, 409)


def test_after_a_day_a_plan_is_forgotten_with_all_that_it_removed(
    client: Client, db: Database, shared_url: str
) -> None:
    ids = fail(client, db, 3)
    plan = applied(client, db, "remove", {"ids": ids})
    tables = ("jobs", "plan_removed", "attempts")
    assert counted(shared_url, *tables) == [0, 3, 3]
    databases.run(shared_url, "update rowline.plans set ended_at = ended_at - interval '23 hours'")
    plans.forget(db)
    assert counted(shared_url, *tables) == [0, 3, 3]
    databases.run(shared_url, "update rowline.plans set ended_at = ended_at - interval '2 hours'")
    plans.forget(db)
    assert counted(shared_url, *tables, "plans") == [0, 0, 0, 0]
    assert answers.problem(client.get(f"{PATH}/{plan['id']}"), 404)["code"] == "plan_not_found"


def counted(url: str, *tables: str) -> list[int]:
    return [databases.ask(url, f"select count(*) from rowline.{table}")[0][0] for table in tables]


def test_jobs_that_came_back_are_swept_by_retention_like_others(client: Client, db: Database) -> None:
    ids = [lease.job.id for lease in [work.complete_next(db) for _ in client.add(*[JOB] * 3)]]
    plan = applied(client, db, "remove", {"ids": ids})
    answers.ok(
        client.flask.patch(
            "/queues/q", json={"settings": {"removeOnComplete": {"age": 0}}}, headers=client.authorization
        )
    )
    do(client, plan, "undo")
    run(db)
    assert client.page()["counts"]["completed"] == 3
    work.fold(db)
    assert retention.sweep(db, is_whole=True) == {"q": 3}


def test_the_audit_says_who_planned_applied_stopped_and_undid(client: Client, db: Database) -> None:
    client.add(JOB, JOB)
    plan = applied(client, db, "remove", {"name": "n", "error": "secret text", "statuses": ["waiting"]})
    other = applied(client, db, "remove", {"name": "n"})
    do(client, other, "undo")
    do(client, other, "stop")
    entries = answers.ok(client.get("/audit?queue=q"))["entries"]
    told = [(one["action"], one["target"], one["affected"]) for one in reversed(entries)]
    assert told == [
        ("plans.create", plan["id"], 0),
        ("plans.apply", plan["id"], 0),
        ("plans.applied", plan["id"], 0),
        ("plans.create", other["id"], 0),
        ("plans.apply", other["id"], 2),
        ("plans.applied", other["id"], 2),
        ("plans.undo", other["id"], 2),
        ("plans.stop", other["id"], 0),
    ]
    assert "secret text" not in json.dumps(entries)
    made = [one["after"] for one in entries if one["action"] == "plans.create"]
    assert [one.get("hidden") for one in made] == [None, ["error"]]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "matched is required"),
        ({"matched": -1}, 400, "matched must be between"),
        ({"matched": 2, "ratePerS": 0}, 400, "ratePerS must be between"),
        ({"matched": 2}, 409, "the plan means 1 jobs, not 2"),
    ],
)
def test_a_plan_is_applied_as_shown_or_not_at_all(client: Client, body: Any, status: int, said: str) -> None:
    client.add(JOB)
    plan = make(client, "remove", MINE)
    assert answers.error(post(client, f"{PATH}/{plan['id']}/apply", body), status).startswith(said)
    assert look(client, plan)["status"] == "planned"


@pytest.mark.parametrize("verb", ["apply", "stop", "undo"])
@pytest.mark.parametrize("plan_id", ["absent", "00000000-0000-0000-0000-000000000000"])
def test_there_is_no_such_plan(client: Client, verb: str, plan_id: str) -> None:
    answer = post(client, f"{PATH}/{plan_id}/{verb}", {"matched": 0})
    assert answers.problem(answer, 404)["code"] == "plan_not_found"


def test_only_removals_and_retries_that_have_ended_are_undone(client: Client, db: Database) -> None:
    fail(client, db)
    cancelled = applied(client, db, "cancel", MINE)
    refused = answers.error(post(client, f"{PATH}/{cancelled['id']}/undo"), 409)
    assert refused == "only removals and retries can be undone, not cancel"
    for action in ("remove", "retry"):
        planned = make(client, action, MINE)
        assert "is planned" in answers.error(post(client, f"{PATH}/{planned['id']}/undo"), 409)


def test_without_payload_nobody_asks_for_contents_or_sees_them_in_a_plan(client: Client, db: Database) -> None:
    canary = "canary-5e1f0c"
    fail(client, db, data={"x": canary})
    narrow = Client(client.flask, token=issue(db, "jobs:manage", "jobs:read").secret)
    for wanted in ({"error": canary}, {"data": {"x": canary}}):
        refused = answers.problem(post(narrow, PATH, {"action": "retry", "filter": wanted}), 403)
        assert "payload" in refused["error"]
        made = make(client, "retry", wanted | {"name": "n"})
        for seen in (look(narrow, made), answers.ok(narrow.get(PATH))["plans"][0]):
            assert canary not in json.dumps(seen)
            assert (seen["filter"], seen["hidden"]) == ({"name": "n"}, ["filter"])
    seen = make(narrow, "retry", {"statuses": ["failed"]})
    assert canary not in json.dumps(seen)
    assert "data" in seen["sample"][0]["hidden"]


def test_plans_of_all_queues_are_listed_those_that_go_on_first(client: Client, db: Database) -> None:
    client.add(*[JOB] * 3)
    client.add(JOB, queue="mine")
    goes_on = make(client, "remove", {"name": "n"})
    do(client, goes_on, "apply", {"matched": 3, "ratePerS": 0.001})
    body = {"action": "cancel", "filter": MINE}
    mine = answers.ok(post(client, "/queues/mine/plans", body))
    last = make(client, "retry", {"name": "n"})

    found = answers.ok(client.get("/plans"))
    assert [(one["queue"], one["id"]) for one in found["plans"]] == [
        ("q", goes_on["id"]),
        ("q", last["id"]),
        ("mine", mine["id"]),
    ]
    assert found["plans"][0]["status"] == "applying"
    for start in range(4):
        part = answers.ok(client.get(f"/plans?start={start}&length=1"))
        assert part == {"plans": found["plans"][start : start + 1], "start": start, "length": 1}
    narrow = Client(client.flask, token=issue(db, "jobs:read@mine").secret)
    [seen] = answers.ok(narrow.get("/plans"))["plans"]
    assert (seen["id"], seen["filter"], seen["hidden"]) == (mine["id"], {}, ["filter"])
    assert client.get("/plans?length=101").status_code == 400


def test_long_jobs_are_not_in_the_sample(client: Client) -> None:
    ids = client.add(JOB | {"data": "x" * 100_000}, JOB)
    plan = make(client, "remove", {"name": "n"})
    assert (plan["matched"], [job["id"] for job in plan["sample"]]) == (2, [ids[1]["id"]])


def test_a_plan_over_more_jobs_than_a_step_looks_at_is_planned_step_by_step(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.search.search.__kwdefaults__", (search.search.__kwdefaults__ or {}) | {"limit": 2})
    client.add(*[JOB, {"name": "other", "data": 1}] * 3)
    plan = make(client, "remove", {"name": "n"})
    assert (plan["status"], plan["matched"]) == ("planning", 1)
    assert answers.problem(post(client, f"{PATH}/{plan['id']}/apply", {"matched": 1}), 409)
    late = client.add(JOB)[0]["id"]
    run(db)
    shown = look(client, plan)
    assert (shown["status"], shown["matched"]) == ("planned", 3)
    assert late not in [job["id"] for job in shown["sample"]]
