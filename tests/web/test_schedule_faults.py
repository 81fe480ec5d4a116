"""Schedules: what a review of them found."""

import json
from typing import Any

import pytest

from app.domain import schedule
from app.domain.tokens import Limits
from app.operations import deduplication, ticks
from app.postgres.database import Database
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.schedules import HOUR_MS, PATH, body, fall_due, get, job_ids, put, tick
from tests.support.tokens import issue

FAR_MS = 4_000_000_000_000
ALWAYS: dict[str, Any] = {"misfire": "all", "overlap": "allow"}


def test_a_template_that_replaces_makes_up_for_more_ticks_than_a_request_may_replace(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deduplication, "REPLACED_MAX", 5)
    opts = {"delay": HOUR_MS, "deduplication": {"id": "x", "replace": True}}
    put(client, **ALWAYS, template={"name": "n", "opts": opts})
    fall_due(db, ago_ms=20 * HOUR_MS)
    tick(db)
    assert get(client)["iterationCount"] == 1 + 21
    assert len(job_ids(client)) == 1


def test_ticks_on_time_for_which_a_step_has_no_room_follow(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "JOBS_AT_ONCE", 2)
    monkeypatch.setattr(schedule, "ON_TIME_MS", HOUR_MS)  # however late the machine makes them
    put(client, every=100, overlap="allow")
    fall_due(db, ago_ms=450)
    tick(db)
    shown = get(client)
    assert (shown["iterationCount"] >= 1 + 5, shown["skippedCount"]) == (True, 0)


def test_a_pause_that_ends_with_a_new_timing_goes_by_the_new_one(client: Client, db: Database) -> None:
    put(client, pattern="0 0 1 1 *", paused=True)
    shown = put(client, every=60_000, paused=False)
    assert shown["next"] <= shown["changedOn"] + 60_000


def test_a_schedule_that_was_over_and_paused_ticks_again_with_a_higher_limit(client: Client, db: Database) -> None:
    put(client, limit=1)
    answers.ok(client.post(f"{PATH}/pause", ""))
    assert "next" in put(client, limit=3, paused=False)


@pytest.mark.parametrize(("timing", "path"), [({"every": 1_000}, "startDate"), ({"pattern": "0 0 29 2 *"}, "pattern")])
def test_a_start_behind_the_last_tick_of_all_is_named(client: Client, timing: dict[str, Any], path: str) -> None:
    answer = client.put(PATH, body(**timing, startDate=253_402_300_799_999))
    assert answers.problem(answer, 400)["details"] == [{"path": path, "message": "leaves no tick to come"}]


def test_a_tick_that_is_due_is_made_before_the_timing_changes(client: Client, db: Database) -> None:
    put(client, overlap="allow")
    at = fall_due(db, ago_ms=300)
    shown = put(client, startDate=FAR_MS, overlap="allow")
    assert shown["next"] == FAR_MS
    assert job_ids(client)[1:] == [f"repeat:s:{at}"]
    fall_due(db, ago_ms=300)
    [fault] = answers.problem(client.put(PATH, body(endDate=10**12)), 400)["details"]
    assert fault["path"] == "endDate"


def test_no_other_job_has_the_id_of_a_tick(client: Client) -> None:
    put(client)
    taken = json.dumps([{"name": "n", "data": 1, "opts": {"jobId": f"repeat:s:{get(client)['next']}"}}])
    assert answers.error(client.post("/queues/q/jobs", taken), 400) == (
        "jobs[0].opts.jobId must not begin with 'repeat:': such ids have the jobs of schedules"
    )


def test_an_id_that_is_no_time_is_not_among_the_runs(client: Client, shared_url: str) -> None:
    put(client)
    databases.run(
        shared_url,
        "update rowline.jobs set custom_id = 'repeat:s:99999999999999999999' where custom_id like 'repeat:s:%'",
    )
    assert answers.ok(client.get(f"{PATH}/runs"))["runs"] == []


def test_a_run_by_hand_counts_for_the_limits_of_a_token(client: Client, db: Database) -> None:
    put(client)
    limited = Client(client.flask, token=issue(db, "*", limits=Limits(waiting_jobs=1)).secret)
    answer = limited.post(f"{PATH}/run", "")
    assert answers.problem(answer, 429)["code"] == "over_quota"


def test_the_audit_says_that_options_of_the_template_changed(client: Client, db: Database) -> None:
    put(client)
    put(client, template={"name": "n", "data": {"a": 1}, "opts": {"attempts": 2}})
    [act] = answers.ok(client.get("/audit?action=schedules.change"))["entries"]
    assert (act["after"]["opts"], "data" in act["after"]) == ("changed", False)


def test_a_time_zone_that_a_node_does_not_know_is_a_fault_that_names_it(client: Client, shared_url: str) -> None:
    put(client, pattern="0 3 * * *", tz="Europe/Vienna")
    answers.ok(client.post(f"{PATH}/pause", ""))
    databases.run(shared_url, "update rowline.schedules set tz = 'Mars/Olympus', next_at = 1000")
    for answer in (client.get(f"{PATH}/preview"), client.post(f"{PATH}/resume", "")):
        assert answers.problem(answer, 400)["details"][0]["path"] == "tz"
    assert put(client, pattern="0 3 * * *", tz="Europe/Vienna", paused=False)["next"] > 1_000
