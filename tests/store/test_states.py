"""Every status x every event, on a real database: what the state page says is what the SQL does."""

import re
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.domain.job import Change, Completion, Failure, JsonText, LeaseKey, Release
from app.domain.jobfilter import JobFilter
from app.domain.plan import PlanAction
from app.domain.retention import Keep, Target
from app.domain.states import READY, TRANSITIONS, Status
from app.postgres.database import Connection
from app.store import jobs, leases, plans, retention
from app.store.statements import whole
from tests.support.jobs import QUEUE, claim, claim_next, in_status, make_due, row, rows

SQL = Path(__file__).parents[2] / "app" / "store" / "sql"


def promote(conn: Connection, key: LeaseKey) -> None:
    make_due(conn, key.number)
    jobs.promote(conn, queue=QUEUE, limit=10)


def complete(conn: Connection, key: LeaseKey) -> None:
    leases.complete(conn, queue=QUEUE, completions=[Completion(lease=key, result=JsonText("2"))])


def fail(conn: Connection, key: LeaseKey) -> None:
    leases.fail(conn, queue=QUEUE, failures=[Failure(lease=key, reason="r")])


def retry_later(conn: Connection, key: LeaseKey, delay_ms: int = 0) -> None:
    retry = leases.Retry(failure=Failure(lease=key, reason="r"), delay_ms=delay_ms)
    leases.retry_later(conn, queue=QUEUE, retries=[retry])


def recover_stalled(conn: Connection, key: LeaseKey, max_stalled_count: int = 1) -> None:
    make_due(conn, key.number)
    leases.recover_stalled(conn, queue=QUEUE, limit=10, max_stalled_count=max_stalled_count)


def release(conn: Connection, key: LeaseKey, delay_ms: int = 0) -> None:
    leases.release(conn, queue=QUEUE, releases=[Release(lease=key, delay_ms=delay_ms)])


def complete_and_remove(conn: Connection, key: LeaseKey, mark: str) -> None:
    marked = LeaseKey(number=key.number, token=f"{key.token[:-4]}{mark}")
    conn.exec_driver_sql(
        f"""update rowline.jobs set remove_on_complete = '{{"count": 0}}', lease_token = '{marked.token}'"""
    )
    complete(conn, marked)


def fail_unstarted(conn: Connection, key: LeaseKey) -> None:
    conn.exec_driver_sql("update rowline.jobs set start_by = 1")
    jobs.fail_unstarted(conn, queue=QUEUE, numbers=[key.number])


def sweep(conn: Connection, _key: LeaseKey) -> None:
    conn.exec_driver_sql("update rowline.jobs set finished_at = '2000-01-01Z' where finished_at is not null")
    for status in Status:
        retention.sweep(conn, Target(QUEUE, status, Keep(age_s=0)), edge=None, after=0, limit=10)


def sweep_at_once(conn: Connection, _key: LeaseKey) -> None:
    for status in Status:
        retention.sweep_at_once(conn, Target(QUEUE, status, Keep(count=0)), after=0, limit=10)


def retry(conn: Connection, key: LeaseKey, *, reset_attempts: bool = True) -> None:
    jobs.retry(conn, queue=QUEUE, numbers=[key.number], reset_attempts=reset_attempts)


def change(conn: Connection, key: LeaseKey, **values: Any) -> None:
    jobs.change(conn, queue=QUEUE, numbers=[key.number], change=Change(**values))


def remove_by_plan(conn: Connection, key: LeaseKey) -> None:
    asked: dict[str, Any] = {"action": PlanAction.REMOVE, "wanted": JobFilter(), "change": None, "until": key.number}
    plan = plans.add(conn, queue=QUEUE, plan_id=str(uuid.uuid4()), created_by="test", **asked)
    assert plan
    plans.remove(conn, plan, [key.number])


def undo_retry(conn: Connection, key: LeaseKey) -> None:
    """Undo a retry of a job that had failed before it."""
    asked: dict[str, Any] = {"action": PlanAction.RETRY, "wanted": JobFilter(), "change": None, "until": key.number}
    plan = plans.add(conn, queue=QUEUE, plan_id=str(uuid.uuid4()), created_by="test", **asked)
    assert plan
    conn.exec_driver_sql(
        f"""insert into rowline.plan_retried (plan, queue, number, attempts_started, retried_at, status, run_at, place,
            attempts_made, stalled_count, finished_at, failed_reason)
        select '{plan.id}', queue, number, attempts_started, run_at, 'failed', run_at, place, 0, 0, now(), 'r'
        from rowline.jobs where number = {key.number}"""
    )
    plans.undo_retry(conn, plan, [key.number])


EVENTS: dict[str, Sequence[Callable[[Connection, LeaseKey], object]]] = {
    "promote": [promote],
    "claim": [lambda conn, _key: claim(conn), lambda conn, _key: claim_next(conn)],
    "extend": [lambda conn, key: leases.extend(conn, queue=QUEUE, leases=[key], lease_ms=1000)],
    "complete": [complete],
    "complete_and_remove": [partial(complete_and_remove, mark=mark) for mark in leases.MARKS],
    "fail": [fail],
    "retry_later": [retry_later, lambda conn, key: retry_later(conn, key, delay_ms=1000)],
    "release": [release, lambda conn, key: release(conn, key, delay_ms=1000)],
    "expire": [lambda conn, key: leases.expire(conn, queue=QUEUE, leases=[key])],
    "cancel": [lambda conn, key: jobs.cancel(conn, queue=QUEUE, numbers=[key.number])],
    "fail_unstarted": [fail_unstarted],
    "request_cancel": [lambda conn, key: jobs.request_cancel(conn, queue=QUEUE, numbers=[key.number])],
    "retry": [retry, lambda conn, key: retry(conn, key, reset_attempts=False)],
    "promote_now": [lambda conn, key: jobs.promote_now(conn, queue=QUEUE, numbers=[key.number])],
    "change": [
        lambda conn, key: change(conn, key, delay_ms=0),
        lambda conn, key: change(conn, key, delay_ms=1000),
        lambda conn, key: change(conn, key, priority=3),
        lambda conn, key: change(conn, key, name="other"),
    ],
    "change_data": [lambda conn, key: jobs.change_data(conn, queue=QUEUE, lease=key, data=JsonText("2"))],
    "remove_job": [lambda conn, key: jobs.remove(conn, queue=QUEUE, numbers=[key.number])],
    "remove_active": [lambda conn, key: jobs.remove_active(conn, queue=QUEUE, numbers=[key.number])],
    "remove_by_plan": [remove_by_plan],
    "undo_retry": [undo_retry],
    "recover_stalled": [recover_stalled, lambda conn, key: recover_stalled(conn, key, max_stalled_count=0)],
    "sweep": [sweep, sweep_at_once],
}
"""How each event is performed on a job; more than once where it may enter different statuses."""


@pytest.mark.parametrize("event", [event for event in TRANSITIONS if TRANSITIONS[event].leaves])
@pytest.mark.parametrize("status", Status)
def test_an_event_leaves_and_enters_only_what_the_state_page_says(conn: Connection, status: Status, event: str) -> None:
    for perform in EVENTS[event]:
        key = in_status(conn, status)
        before = row(conn, key.number)
        perform(conn, key)
        if status in TRANSITIONS[event].leaves and not TRANSITIONS[event].enters:
            assert rows(conn) == []
            continue
        after = row(conn, key.number)
        if status in TRANSITIONS[event].leaves:
            assert after != before
            assert after.status in TRANSITIONS[event].enters
        else:
            assert after.status == before.status
            assert after.attempts_made == before.attempts_made
        conn.exec_driver_sql("delete from rowline.attempts")
        conn.exec_driver_sql("delete from rowline.jobs")


@pytest.mark.parametrize("event", [event for event in TRANSITIONS if TRANSITIONS[event].leaves])
def test_a_prioritized_job_comes_back_prioritized(conn: Connection, event: str) -> None:
    if Status.PRIORITIZED not in TRANSITIONS[event].enters:
        return
    for perform in EVENTS[event][:1]:
        left = next(iter(TRANSITIONS[event].leaves - READY or TRANSITIONS[event].leaves - {Status.PRIORITIZED}))
        key = in_status(conn, left)
        conn.exec_driver_sql("update rowline.jobs set priority = 7")
        perform(conn, key)
        assert row(conn, key.number).status == Status.PRIORITIZED


def test_each_file_names_its_transition_in_its_first_line() -> None:
    for event, rule in TRANSITIONS.items():
        first = next(SQL.glob(f"*/{event}.sql")).read_text().splitlines()[0]
        named = re.fullmatch(r"-- (\w+): (.*)-> (.+)", first)
        assert named, first
        assert named[1] == event
        assert set(filter(None, named[2].strip().split(", "))) == rule.leaves
        assert set(named[3].split(", ")) == (rule.enters or {"(nowhere)"})


def test_each_file_that_sets_a_status_is_an_event() -> None:
    for file in SQL.glob("[a-z]*/*.sql"):
        text = whole(file.read_text())
        if "update rowline.jobs" in text and ("status = case" in text or "set status" in text):
            event, _, moves = text.splitlines()[0].removeprefix("-- ").partition(": ")
            assert moves == next(SQL.glob(f"*/{event}.sql")).read_text().splitlines()[0].partition(": ")[2]
            assert event in TRANSITIONS


def test_each_file_that_changes_a_status_says_so_in_the_counts() -> None:
    for file in SQL.glob("[a-z]*/*.sql"):
        event = file.read_text().splitlines()[0].removeprefix("-- ").partition(": ")[0]
        if rule := TRANSITIONS.get(event):
            counts = "insert into rowline.job_deltas" in whole(file.read_text(), tells=False)
            assert counts == (rule.leaves != rule.enters or len(rule.leaves) > 1), file
