"""The client's calls for plans."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta

import pytest
import rowline

from app.maintenance.plans import PlanRunner
from app.postgres.database import Database
from tests.support.clusters import ROOT
from tests.support.plans import run


def test_a_plan_is_shown_applied_and_undone(api: rowline.Rowline, queue: rowline.Queue, db: Database) -> None:
    queue.add_many([rowline.NewJob(name="n", data={"customer": {"id": 42}})] * 3)
    queue.add("n", {"customer": {"id": 43}})
    yesterday = datetime.now(UTC) - timedelta(days=1)
    plan = queue.plan("remove", statuses=["waiting"], data={"customer.id": 42}, since=yesterday)
    assert (plan.status, plan.matched, len(plan.info.sample)) == ("planned", 3, 3)
    assert queue.counts("waiting") == {"waiting": 4}

    assert repr(plan) == f"<Plan '{plan.id}', remove, planned, 0/3 done>"
    plan.apply(rate_per_s=1000)
    run(db)
    assert plan.wait(timeout_s=60).done == 3
    assert (plan.info.skipped, plan.info.rate_per_s) == ({}, 1000)
    assert plan.info.undo_until is not None
    plan.undo()
    run(db)
    assert plan.wait(timeout_s=60).info.undone == 3
    assert queue.counts("waiting") == {"waiting": 4}
    assert [one.id for one in queue.plans()] == [plan.id]
    assert [(one.id, one.queue) for one in api.plans()] == [(plan.id, "q")]
    assert api.plans(start=1) == ()
    assert queue.find_plan(plan.id).info == plan.look().info


def test_a_retry_is_stopped_and_undone(queue: rowline.Queue, db: Database) -> None:
    jobs = queue.add_many([rowline.NewJob(name="n", data=nth) for nth in range(3)])
    for job in jobs:
        queue.cancel(job.id)
    plan = queue.plan("retry", statuses=["failed"]).apply(rate_per_s=0.001)
    PlanRunner(db).tick()
    assert plan.stop().done == 1
    assert queue.counts("waiting", "failed") == {"waiting": 1, "failed": 2}
    plan.undo()
    run(db)
    info = plan.wait(timeout_s=60).info
    assert (info.status, info.undone, info.not_undone, info.undo_until) == ("undone", 1, 0, None)
    assert queue.counts("waiting", "failed") == {"waiting": 0, "failed": 3}
    with pytest.raises(rowline.Conflict):
        plan.undo()


def test_a_plan_changes_options_and_can_be_stopped(queue: rowline.Queue, db: Database) -> None:
    job = queue.add("n")
    plan = queue.plan("change", name="n", change={"priority": 5}).apply()
    run(db)
    assert plan.look().done == 1
    assert queue.get(job.id).priority == 5
    other = queue.plan("cancel", ids=[job.id])
    assert other.stop().status == "stopped"
    with pytest.raises(rowline.Conflict) as raised:
        other.apply()
    assert raised.value.code == "wrong_plan_status"


def test_a_plan_that_goes_on_too_long_is_not_waited_for(queue: rowline.Queue) -> None:
    queue.add("n")
    plan = queue.plan("cancel", name="n").apply()
    with pytest.raises(TimeoutError, match="is applying after 0 s"):
        plan.wait(timeout_s=0)


def test_faulty_plans_are_refused(queue: rowline.Queue) -> None:
    with pytest.raises(rowline.InvalidRequest, match=r"filter.ids must not be empty"):
        queue.plan("remove", name="n", ids=[])
    with pytest.raises(rowline.InvalidRequest, match=r"filter.statuses must not be empty"):
        queue.plan("remove", name="n", statuses=())
    with pytest.raises(rowline.InvalidRequest, match=r"filter.tag must not be empty"):
        queue.plan("remove", name="n", tags=[])
    with pytest.raises(rowline.InvalidRequest, match="filter must name what to look for"):
        queue.plan("remove")
    with pytest.raises(rowline.NotFound):
        queue.find_plan("absent")


def test_the_fields_of_what_is_returned_are_documented() -> None:
    page = (ROOT / "app" / "docs" / "client.md").read_text()
    for value in (rowline.QueueInfo, rowline.PlanInfo):
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{value.__name__}`")]
        fields = row.split(" | ")[1].split(";")[0]
        assert re.findall(r"`(\w+)`", fields) == [field.name for field in dataclasses.fields(value)]
