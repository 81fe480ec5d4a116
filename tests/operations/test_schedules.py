"""Ticks of many schedules: in turn, in bounded steps, and none keeps another from its own."""

import logging
from typing import Any

import pytest

from app.domain.backoff import Backoff, BackoffType
from app.domain.deduplication import Deduplication
from app.domain.job import JsonText, NewJob
from app.domain.retention import FOR_EVER, Keep
from app.domain.scheduled import options_of, template_of
from app.domain.telemetry import Telemetry
from app.maintenance import schedules as maintenance
from app.maintenance.schedules import Ticker
from app.operations import ticks
from app.postgres.database import Database, DatabaseError
from tests.support import databases
from tests.support.client import Client
from tests.support.schedules import fall_due, get, jobs, put, tick

MANY = """
    insert into rowline.schedules (queue, id, every_ms, jitter_ms, misfire, overlap, name, data, data_bytes, opts,
        options, next_at, created_by)
    select 'q' || mod(n, {queues}), 's' || n, 3600000, 0, 'once', 'pending', 'n', '1', 1, '{{}}', '{{}}',
        floor(extract(epoch from statement_timestamp()) * 1000)::bigint, 'test'
    from generate_series(1, {schedules}) as n
"""
RUN = "select count(*), count(distinct custom_id) from rowline.jobs where custom_id like 'repeat:%'"


@pytest.mark.parametrize("queues", [1, 500])
def test_thousands_that_are_due_at_once_all_tick_once(db: Database, shared_url: str, queues: int) -> None:
    databases.run(shared_url, MANY.format(queues=queues, schedules=2_000))
    tick(db)
    tick(db)
    assert databases.ask(shared_url, RUN) == [(2_000, 2_000)]
    left = "select count(*) from rowline.schedules where ticks <> 1 or skipped <> 0 or last_number is null"
    assert databases.ask(shared_url, left) == [(0,)]


@pytest.mark.parametrize(
    "harm",
    [
        "options = '{\"deduplication\": 1}'",  # what nobody can read
        "options = '{\"attempts\": 1000000}'",  # what the table of jobs refuses
        "every_ms = null, pattern = '61 * * * *', tz = 'UTC'",
    ],
)
def test_a_schedule_that_fails_keeps_no_other_from_its_ticks(
    client: Client, db: Database, shared_url: str, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    for one in ("a", "s", "z"):
        put(client, f"/queues/q/schedulers/{one}", overlap="allow")
        fall_due(db, schedule_id=one)
    databases.run(shared_url, f"update rowline.schedules set {harm} where id = 's'")
    ticker = Ticker(db)
    with caplog.at_level(logging.WARNING):
        ticker.tick()
        ticker.tick()  # it is left alone for a while
    assert [record.schedule for record in caplog.records if record.message == "schedule_failed"] == ["s"]  # type: ignore[attr-defined]
    assert len(jobs(client)) == 5
    put(client, overlap="allow")
    tick(db)
    assert len(jobs(client)) == 6


TOGETHER = "select queue, count(*), count(distinct xmin::text) from rowline.jobs group by queue order by queue"


@pytest.mark.parametrize(
    ("queues", "others", "later"),
    [("{q1}", [("q0", 3, 1), ("q2", 3, 1), ("q3", 3, 1)], 3), ("{q0,q1,q2,q3}", [], 1)],
    ids=["of one", "of all"],
)
def test_where_the_database_fails_one_queue_twice_its_schedules_are_tried_alone_and_together_where_it_fails_all(
    db: Database, shared_url: str, queues: str, others: list[tuple[str, int, int]], later: int
) -> None:
    databases.run(shared_url, MANY.format(queues=4, schedules=12))
    ticker = Ticker(db)
    with databases.too_slow(shared_url, queues):
        for _ in range(2):
            with pytest.raises(DatabaseError, match="trouble"):
                ticker.tick()
    assert databases.ask(shared_url, TOGETHER) == others
    ticker.tick()
    assert databases.ask(shared_url, TOGETHER) == sorted(
        {*others, ("q1", 3, later)} | {(f"q{n}", 3, 1) for n in (0, 2, 3)}
    )


def test_where_the_database_fails_a_queue_once_its_schedules_go_on_together(db: Database, shared_url: str) -> None:
    databases.run(shared_url, MANY.format(queues=4, schedules=12))
    ticker = Ticker(db)
    with databases.too_slow(shared_url, "{q1}"), pytest.raises(DatabaseError, match="trouble"):
        ticker.tick()
    assert databases.ask(shared_url, TOGETHER) == [("q0", 3, 1), ("q2", 3, 1), ("q3", 3, 1)]
    ticker.tick()
    assert databases.ask(shared_url, TOGETHER) == [(f"q{n}", 3, 1) for n in range(4)]


ORDER = "select queue from rowline.jobs order by number"


def test_a_queue_with_many_that_are_due_delays_those_of_others_by_a_step(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FOUND_AT_ONCE": 10, "OF_QUEUE": 4, "LIMIT_S": 0.0}.items():
        monkeypatch.setattr(maintenance, name, value)
    monkeypatch.setattr(ticks, "AT_ONCE", 4)
    databases.run(shared_url, MANY.format(queues=1, schedules=40))
    late = "update rowline.schedules set queue = 'z', next_at = next_at + 1 where id = 's1'"
    databases.run(shared_url, late)
    tick(db)
    order = [queue for (queue,) in databases.ask(shared_url, ORDER)]
    assert (order.index("z") <= 4, len(order)) == (True, 40)


def test_what_falls_due_while_ticks_are_made_does_not_wait_for_all_of_them(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "LIMIT_S", 0.0)
    monkeypatch.setattr(ticks, "AT_ONCE", 4)
    databases.run(shared_url, MANY.format(queues=1, schedules=40))
    databases.run(shared_url, "update rowline.schedules set queue = 'z', next_at = null where id = 's1'")

    def with_another() -> None:
        databases.run(shared_url, "update rowline.schedules set next_at = 1 where queue = 'z' and ticks = 0")

    ticker = Ticker(db, attended_since_ms=with_another)
    while ticker.tick():
        pass
    order = [queue for (queue,) in databases.ask(shared_url, ORDER)]
    assert (order.index("z") <= 8, len(order)) == (True, 40)


def test_schedules_that_are_held_elsewhere_keep_no_other_queue_from_its_ticks(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FOUND_AT_ONCE": 10, "OF_QUEUE": 4, "FOUND_MAX": 40}.items():
        monkeypatch.setattr(maintenance, name, value)
    databases.run(shared_url, MANY.format(queues=2, schedules=60))
    with db.begin() as conn:
        conn.exec_driver_sql("select from rowline.schedules where queue = 'q0' for update")
        for _ in range(3):
            Ticker(db).tick()
    assert databases.ask(shared_url, TOGETHER)[0][:2] == ("q1", 30)


TRANSACTIONS = "select count(*), count(distinct xmin::text) from rowline.jobs"


@pytest.mark.parametrize(("longest_s", "transactions"), [(60.0, 1), (0.0, 4)], ids=["while there is time", "no longer"])
def test_schedules_of_several_queues_tick_in_a_transaction(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch, longest_s: float, transactions: int
) -> None:
    monkeypatch.setattr(ticks, "LONGEST_S", longest_s)
    databases.run(shared_url, MANY.format(queues=4, schedules=12))
    tick(db)
    assert databases.ask(shared_url, TRANSACTIONS) == [(12, transactions)]


def test_a_schedule_that_failed_ticks_when_it_can(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, overlap="allow")
    fall_due(db)
    monkeypatch.setattr(maintenance, "LONGEST_REST_S", 0.0)
    ticker = Ticker(db)
    databases.run(shared_url, "update rowline.schedules set options = '{\"attempts\": 1000000}'")
    ticker.tick()
    assert get(client)["iterationCount"] == 1
    databases.run(shared_url, "update rowline.schedules set options = '{}'")
    ticker.tick()
    assert get(client)["iterationCount"] == 2


def test_jobs_with_much_data_are_added_in_several_steps(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "BYTES_AT_ONCE", 1_000)
    monkeypatch.setattr(ticks, "JOBS_AT_ONCE", 3)
    for nth in range(5):
        put(client, f"/queues/q/schedulers/{nth}", overlap="allow", misfire="all", template={"data": "x" * 600})
        fall_due(db, schedule_id=str(nth), ago_ms=3_600_000)
    tick(db)
    assert len(jobs(client)) == 15


def test_a_schedule_that_is_held_elsewhere_is_passed_over(client: Client, db: Database) -> None:
    put(client, overlap="allow")
    fall_due(db)
    with db.begin() as conn:
        conn.exec_driver_sql("select from rowline.schedules for update")
        tick(db)
    assert len(jobs(client)) == 1
    tick(db)
    assert len(jobs(client)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"attempts": 3, "delay_ms": 5, "lifo": True, "timeout_ms": 7, "stacks_kept": 0, "logs_kept": 1},
        {"backoff": Backoff(type=BackoffType.EXPONENTIAL, delay_ms=5, jitter=0.5), "tags": ["a", "b"], "priority": 1},
        {"remove_on_complete": Keep(age_s=3), "remove_on_fail": FOR_EVER},
        {"deduplication": Deduplication("d", ttl_ms=5, extends=True, replaces=True, keeps_last=False)},
        {"telemetry": Telemetry(metadata="{}", omits_context=True)},
    ],
    ids=str,
)
def test_what_options_mean_is_read_as_it_was_written(fields: dict[str, Any]) -> None:
    new = NewJob("n", JsonText("1"), JsonText("{}"), **fields)
    assert template_of(new.name, new.data, new.opts, options_of(new)) == new
