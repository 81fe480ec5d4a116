"""What becomes of the ticks of schedules, as a client sees it."""

import json

import pytest

from app.operations import deduplication
from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client
from tests.support.schedules import HOUR_MS, PATH, fall_due, get, job_ids, jobs, put, tick

FAR_MS = 4_000_000_000_000


def counted(client: Client) -> tuple[int, int]:
    """Return how many ticks got a job, and how many did not."""
    shown = get(client)
    return shown["iterationCount"], shown["skippedCount"]


def statuses(client: Client) -> list[str]:
    return [job["status"] for job in jobs(client)]


def test_a_tick_adds_a_job_whose_id_is_its_time(client: Client, db: Database) -> None:
    put(client, overlap="allow")
    at = fall_due(db, ago_ms=10)
    tick(db)
    tick(db)
    assert job_ids(client)[1:] == [f"repeat:s:{at}"]
    shown = get(client)
    assert (shown["lastOn"], shown["lastJobId"], shown["next"]) == (at, f"repeat:s:{at}", at + HOUR_MS)
    assert counted(client) == (2, 0)


@pytest.mark.parametrize(
    ("misfire", "overlap", "made"),
    [("once", "pending", [1]), ("once", "allow", [1]), ("skip", "pending", []), ("all", "allow", [3, 2, 1])],
)
def test_ticks_that_nobody_was_there_for(
    client: Client, db: Database, misfire: str, overlap: str, made: list[int]
) -> None:
    put(client, misfire=misfire, overlap=overlap)
    work.complete_next(db)
    first = fall_due(db, ago_ms=2 * HOUR_MS + 5_000)
    tick(db)
    assert job_ids(client)[1:] == [f"repeat:s:{first + (3 - back) * HOUR_MS}" for back in made]
    assert counted(client) == (1 + len(made), 3 - len(made))
    assert get(client)["next"] == first + 3 * HOUR_MS


def test_ticks_that_nobody_was_there_for_are_made_in_steps_the_oldest_first(client: Client, db: Database) -> None:
    put(client, every=1_000, misfire="all", overlap="allow")
    first = fall_due(db, ago_ms=2_500_000)
    tick(db)
    count, skipped = counted(client)
    assert (count >= 2_502, skipped) == (True, 0)
    assert job_ids(client)[1:4] == [f"repeat:s:{first + nth * 1_000}" for nth in range(3)]


@pytest.mark.parametrize(
    ("overlap", "waiting", "active", "failing"),
    [("pending", 0, 1, 1), ("skip", 0, 0, 0), ("allow", 1, 1, 1), ("cancel", 1, 1, 1)],
)
def test_a_tick_while_the_last_job_is_there(
    client: Client, db: Database, overlap: str, waiting: int, active: int, failing: int
) -> None:
    """How many jobs are added while it waits, is active, waits for another attempt."""
    put(client, overlap=overlap, template={"opts": {"attempts": 9, "backoff": HOUR_MS}})

    def added() -> int:
        before = counted(client)
        fall_due(db)
        tick(db)
        after = counted(client)
        assert sum(after) == sum(before) + 1
        return after[0] - before[0]

    assert added() == waiting
    [lease] = work.take(db)
    assert added() == active
    if not active:
        work.fail(db, lease)
        assert added() == failing
        answers.ok(client.post(f"/queues/q/jobs/{lease.job.id}/promote"))
        work.complete_next(db)
        assert added() == 1


def test_an_overlap_that_cancels_ends_the_old_job(client: Client, db: Database) -> None:
    put(client, overlap="cancel")
    fall_due(db)
    tick(db)
    assert statuses(client) == ["failed", "waiting"]
    assert jobs(client)[0]["failedCode"] == "cancelled"
    [lease] = work.take(db)
    fall_due(db)
    tick(db)
    assert statuses(client) == ["failed", "active", "waiting"]
    held = client.post(f"/queues/q/jobs/{lease.job.id}/extend", json.dumps({"token": lease.token}))
    assert answers.ok(held)["cancelled"] is True


def test_an_overlap_that_cancels_frees_the_deduplication_id(client: Client, db: Database) -> None:
    template = {"opts": {"deduplication": {"id": "d"}, "removeOnFail": True}}
    put(client, overlap="cancel", template=template)
    fall_due(db)
    tick(db)
    assert statuses(client) == ["waiting"]
    assert counted(client) == (2, 0)
    assert answers.ok(client.get("/queues/q/deduplication/d"))["jobId"] == get(client)["lastJobId"]


def test_a_tick_that_is_deduplicated_has_no_job(client: Client, db: Database) -> None:
    made = put(client, overlap="allow", template={"opts": {"deduplication": {"id": "d"}}})
    fall_due(db)
    tick(db)
    assert job_ids(client) == [made["lastJobId"]]
    assert counted(client) == (1, 1)


def test_a_tick_whose_job_is_stored_to_follow_has_none_yet(client: Client, db: Database) -> None:
    put(client, overlap="allow", template={"opts": {"deduplication": {"id": "d", "keepLastIfActive": True}}})
    [lease] = work.take(db)
    at = fall_due(db)
    tick(db)
    assert counted(client) == (1, 1)
    work.complete(db, lease)
    deduplication.follow(db)
    assert job_ids(client)[1:] == [f"repeat:s:{at}"]


def test_a_tick_whose_job_is_there_does_not_come_twice(client: Client, db: Database) -> None:
    """As after a clock that was set back, or in a dump that was restored."""
    put(client, overlap="allow")
    at = fall_due(db)
    tick(db)
    with db.begin() as conn:
        conn.exec_driver_sql(f"update rowline.schedules set next_at = {at}")
    tick(db)
    assert job_ids(client)[1:] == [f"repeat:s:{at}"]
    assert get(client)["next"] == at + HOUR_MS


def test_a_limit_ends_a_schedule(client: Client, db: Database) -> None:
    put(client, limit=2, overlap="allow")
    fall_due(db, ago_ms=HOUR_MS)
    tick(db)
    shown = get(client)
    assert (shown["iterationCount"], "next" in shown) == (2, False)
    tick(db)
    assert len(jobs(client)) == 2
    assert answers.ok(client.get(f"{PATH}/preview"))["runs"] == []
    assert put(client, limit=3, overlap="allow")["next"] == shown["lastOn"] + HOUR_MS


def test_a_limit_holds_for_ticks_that_are_made_up_for(client: Client, db: Database) -> None:
    put(client, limit=3, misfire="all", overlap="allow")
    fall_due(db, ago_ms=10 * HOUR_MS)
    tick(db)
    assert len(jobs(client)) == 3


def test_a_schedule_ends_at_its_end(client: Client, db: Database) -> None:
    put(client, endDate=FAR_MS, overlap="allow")
    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.schedules set ends_at = next_at, next_at = next_at - 7200000")
    tick(db)
    shown = get(client)
    assert shown["next"] == shown["endDate"]
    fall_due(db)
    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.schedules set ends_at = next_at + 1")
    tick(db)
    assert "next" not in get(client)
    assert get(client)["iterationCount"] == 3


def test_immediately_makes_one_tick_more_of_a_new_schedule(client: Client) -> None:
    made = put(client, pattern="0 0 1 1 *", immediately=True)
    assert job_ids(client) == [made["lastJobId"]]
    assert made["iterationCount"] == 1
    put(client, pattern="0 0 1 1 *", immediately=True, limit=5)
    assert len(jobs(client)) == 1
    put(client, "/queues/q/schedulers/every", immediately=True)
    put(client, "/queues/q/schedulers/paused", immediately=True, paused=True)
    assert len(jobs(client)) == 2


def test_the_jitter_delays_the_job_and_not_the_tick(client: Client, db: Database) -> None:
    put(client, jitter=HOUR_MS, overlap="allow", template={"opts": {"attempts": 2}})
    ticks = []
    for _ in range(5):
        ticks.append(fall_due(db))
        tick(db)
    found = jobs(client)
    assert [job["id"] for job in found][1:] == [f"repeat:s:{at}" for at in dict.fromkeys(ticks)]
    assert len({job["delay"] for job in found}) > 1
    assert all(0 <= job["delay"] <= HOUR_MS for job in found)
    assert all(job["opts"] == {"attempts": 2} | ({"delay": job["delay"]} if job["delay"] else {}) for job in found)


def test_a_changed_interval_counts_from_the_last_tick(client: Client) -> None:
    made = put(client)
    assert put(client, every=2 * HOUR_MS)["next"] == made["lastOn"] + 2 * HOUR_MS
    assert put(client, every=HOUR_MS)["next"] == made["next"]
    assert len(jobs(client)) == 1


def test_a_changed_template_holds_from_the_next_tick_on(client: Client, db: Database) -> None:
    made = put(client, overlap="allow")
    changed = put(client, overlap="allow", template={"name": "new", "opts": {"tags": ["x"], "priority": 3}})
    assert changed["next"] == made["next"]
    fall_due(db)
    tick(db)
    old, new = jobs(client)
    assert (old["name"], new["name"], new["tags"], new["priority"]) == ("n", "new", ["x"], 3)
    [found] = client.page(tag="x")["jobs"]
    assert found["id"] == new["id"]


def test_a_change_of_the_timing_loses_no_tick_that_is_due(client: Client, db: Database) -> None:
    put(client, overlap="allow")
    at = fall_due(db, ago_ms=100)
    put(client, overlap="allow", pattern="0 0 1 1 *")
    tick(db)
    assert job_ids(client)[1:] == [f"repeat:s:{at}"]
    assert get(client)["next"] > at + HOUR_MS or get(client)["next"] > at


def test_a_paused_queue_gets_the_jobs_of_its_ticks(client: Client, db: Database) -> None:
    answers.ok(client.post("/queues/q/pause"))
    put(client, overlap="allow")
    fall_due(db)
    tick(db)
    assert len(jobs(client)) == 2


def test_jobs_of_ticks_have_the_defaults_of_the_queue(client: Client, db: Database) -> None:
    defaults = {"attempts": 7, "priority": 2, "tags": ["nightly"]}
    answers.ok(client.patch("/queues/q", json.dumps({"settings": {"defaults": defaults}})))
    put(client, overlap="allow", template={"opts": {"priority": 5}})
    fall_due(db)
    tick(db)
    for job in jobs(client):
        assert (job["priority"], job["effective"]) == (5, {"attempts": 7, "tags": ["nightly"]})
    assert len(client.page(tag="nightly")["jobs"]) == 2


def test_jobs_of_ticks_are_removed_as_their_options_say(client: Client, db: Database) -> None:
    put(client, template={"opts": {"removeOnComplete": True}})
    work.complete_next(db)
    assert jobs(client) == []
    fall_due(db)
    tick(db)
    assert len(jobs(client)) == 1
