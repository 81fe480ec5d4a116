"""The client's calls for schedules."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
import rowline
from rowline.schedules import Options, Timing

from app.postgres.database import Database
from tests.support import work

REPORT = {"to": "ada@example.com"}
BY_SCHEDULE = {"name", "data", "job_id", "start_by"}
"""What a job has that a schedule says of it by itself, or that no job of a schedule may have."""


def test_a_schedule_is_made_and_the_same_words_again_change_nothing(queue: rowline.Queue) -> None:
    made = [
        queue.schedule("nightly", cron="0 3 * * *", tz="Europe/Vienna", name="report", data=REPORT, attempts=3)
        for _ in range(2)
    ]
    assert made[0].info == made[1].info
    info = made[0].info
    assert (info.id, info.queue, info.name, info.cron, info.tz) == (
        "nightly",
        "q",
        "report",
        "0 3 * * *",
        "Europe/Vienna",
    )
    assert (info.misfire, info.overlap, info.data, info.opts) == ("once", "pending", REPORT, {"attempts": 3})
    assert (info.is_paused, info.iteration_count, info.changed_on) == (False, 0, None)
    assert info.next_on is not None
    assert repr(made[0]) == f"<Schedule 'nightly', '0 3 * * *' Europe/Vienna, next {info.next_on}, 0 done>"


def test_a_schedule_that_ticks_every_hour_begins_at_once(queue: rowline.Queue, db: Database) -> None:
    hourly = queue.schedule("hourly", every=timedelta(hours=1), jitter=0, remove_on_complete=100)
    assert (hourly.info.every_ms, hourly.info.iteration_count, hourly.info.name) == (3_600_000, 1, "hourly")
    [run] = hourly.runs()
    assert (run.job_id, run.status, run.is_besides) == (f"repeat:hourly:{run.on}", "waiting", False)
    assert run.job_id == hourly.info.last_job_id
    work.complete_next(db)
    [run] = hourly.runs()
    assert (run.status, run.attempts_made, run.finished_on is not None) == ("completed", 1, True)
    assert repr(hourly).startswith("<Schedule 'hourly', every 3600000 ms, next ")


def test_schedules_of_all_queues_are_found(api: rowline.Rowline) -> None:
    for name in ("mail", "post"):
        api.queue(name).schedule("nightly", cron="@daily")
    assert [(one.queue, one.id) for one in api.schedules()] == [("mail", "nightly"), ("post", "nightly")]
    assert (
        [one.queue for one in api.schedules(pattern="p*")] == [one.queue for one in api.schedules(start=1)] == ["post"]
    )
    assert api.schedules(length=1) == (api.queue("mail").find_schedule("nightly").info,)


def test_a_schedule_is_paused_run_resumed_and_removed(queue: rowline.Queue) -> None:
    nightly = queue.schedule("nightly", cron="@daily", paused=True)
    assert (nightly.info.next_on, nightly.info.paused_by) == (None, "env:1")
    assert "paused" in repr(nightly)
    job = nightly.run()
    assert (job.name, job.outcome, job.id.endswith(":now")) == ("nightly", "created", True)
    assert [one.is_besides for one in nightly.runs()] == [True]
    assert nightly.resume().info.next_on is not None
    assert nightly.info.paused_by is None
    assert nightly.pause().info.is_paused
    assert queue.find_schedule("nightly").look().info == nightly.info
    assert nightly.remove() == nightly.info
    with pytest.raises(rowline.NotFound, match="no schedule 'nightly'"):
        nightly.look()
    assert queue.get(job.id).status == "waiting"


def test_a_preview_says_what_a_change_of_the_clocks_does(queue: rowline.Queue) -> None:
    since = datetime(2031, 3, 29, tzinfo=UTC)
    words: Timing = {"cron": "30 2 * * *", "tz": "Europe/Berlin", "start_date": since}
    ticks = queue.preview(**words, count=2)
    assert [tick.local for tick in ticks] == ["2031-03-29T02:30:00+01:00", "2031-03-30T03:00:00+02:00"]
    assert (ticks[0].note, "does not exist" in str(ticks[1].note)) == (None, True)
    nightly = queue.schedule("nightly", **words)
    assert nightly.preview(2) == ticks
    assert nightly.preview(1, since=since + timedelta(days=1)) == ticks[1:]
    assert [one.id for one in queue.schedules()] == ["nightly"]


def test_all_schedules_of_a_queue_are_found(queue: rowline.Queue) -> None:
    for number in range(103):
        queue.schedule(f"s{number:03}", cron="@daily")
    assert [one.id for one in queue.schedules()] == [f"s{number:03}" for number in range(103)]
    for one in queue.schedules():
        one.remove()
    assert queue.schedules() == ()


def test_what_no_schedule_can_be_is_refused(queue: rowline.Queue) -> None:
    with pytest.raises(rowline.InvalidRequest, match="pattern"):
        queue.schedule("never", cron="0 0 31 2 *")
    with pytest.raises(rowline.InvalidRequest, match="tz"):
        queue.schedule("nowhere", cron="@daily", tz="Mars/Olympus")
    with pytest.raises(TypeError, match="there is no patern"):
        queue.schedule("typo", patern="@daily")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="there is no job_id"):
        queue.schedule("typo", cron="@daily", job_id="mine")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="start_date must have a time zone"):
        queue.schedule("naive", cron="@daily", start_date=datetime(2031, 1, 1))  # noqa: DTZ001 - the fault
    assert queue.schedules() == ()


def test_a_schedule_takes_the_options_of_jobs() -> None:
    assert {field.name for field in dataclasses.fields(rowline.NewJob)} - BY_SCHEDULE == {*Options.__annotations__}
