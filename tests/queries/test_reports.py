"""The views of the schema `report` say what is so, keep their promise, and answer the questions of the page."""

import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from app.domain.job import Completion, Failure, JsonText, LeaseKey, Release
from app.domain.states import Status
from app.domain.workers import Sighting, Way
from app.postgres.database import Connection
from app.store import counts, jobs, leases, logs, minutes, workers
from tests.support.jobs import claim, in_status, insert, new

PAGE = (Path(__file__).parents[2] / "app" / "docs" / "reports.md").read_text()
QUESTIONS = re.findall(r"^\*\*(.+\?)\*\*\n\n((?:    .*\n)+)", PAGE, re.MULTILINE)
QUEUE = "mail"
STACK = 'Traceback\n  File "mail.py", line {}, in send\n    raise Refused\nRefused: {}'
COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), '')
from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
where c.relnamespace = 'report'::regnamespace and c.relkind = 'v'
order by c.relname, a.attnum
"""
ENDPOINT = """
insert into rowline.endpoints (queue, url, method, headers, secrets, timeout_ms, concurrency, paused_until)
values (
    'post', 'https://user:secret@hooks.example.com:8443/in?key=secret', 'POST', '', '', 30000, 5,
    now() + interval '1 hour'
)
"""


def ask(conn: Connection, query: str) -> list[Any]:
    return list(conn.exec_driver_sql(query))


def complete(conn: Connection, key: LeaseKey, result: str = '{"status": "sent"}') -> None:
    leases.complete(conn, queue=QUEUE, completions=[Completion(lease=key, result=JsonText(result))])


def fail(conn: Connection, key: LeaseKey, nth: int) -> None:
    failure = Failure(lease=key, reason=f"letter {nth} refused", stack=STACK.format(nth, nth))
    leases.fail(conn, queue=QUEUE, failures=[failure])


def retry(conn: Connection, key: LeaseKey, nth: int) -> None:
    failure = Failure(lease=key, reason=f"letter {nth} refused", stack=STACK.format(nth, nth))
    leases.retry_later(conn, queue=QUEUE, retries=[leases.Retry(failure=failure, delay_ms=0)])


@pytest.fixture
def monday(conn: Connection) -> Connection:
    """A queue in which everything happened that the questions ask for."""
    data = JsonText('{"customer": "ada"}')
    insert(conn, *(new("letter", custom_id=f"letter-{n}", data=data, attempts=2) for n in range(1, 4)), queue=QUEUE)
    conn.exec_driver_sql(
        "update rowline.jobs set place = place - 330000000"
    )  # they have waited for five minutes and a half
    first, second, third = claim(conn, 3, queue=QUEUE)
    logs.append(conn, queue=QUEUE, lease=first.key, line="asking the post office")
    retry(conn, first.key, 1)
    fail(conn, claim(conn, queue=QUEUE)[0].key, 1)
    fail(conn, second.key, 2)
    complete(conn, third.key)
    conn.exec_driver_sql(
        "update rowline.jobs set added_at = added_at - interval '1 hour', run_at = now() - interval '30 minutes', "
        "processed_at = now() - interval '25 minutes', finished_at = now() - interval '20 minutes' "
        "where status = 'completed'"
    )
    insert(conn, *(new("letter", data=data) for _ in range(3)), queue=QUEUE)
    complete(conn, claim(conn, queue=QUEUE)[0].key)
    claim(conn, queue=QUEUE)
    insert(conn, new("reminder", delay_ms=1_200_000), queue=QUEUE)
    conn.exec_driver_sql(ENDPOINT)
    workers.note(conn, process=str(uuid.uuid4()), sightings=[Sighting(QUEUE, "w", Way.PYTHON, slots=4, busy=1)])
    counts.fold(conn, limit=100)
    return conn


def test_the_page_has_twenty_questions() -> None:
    assert len(QUESTIONS) >= 20


@pytest.mark.parametrize(("asked", "query"), QUESTIONS, ids=lambda part: part[:40])
def test_a_question_of_the_page_is_answered_by_its_query(monday: Connection, asked: str, query: str) -> None:
    if " today?" in asked or " day" in asked:
        skip_midnight(monday)
    assert ask(monday, query), asked


def skip_midnight(conn: Connection) -> None:
    """Move the day's begin: half an hour ago may have been yesterday."""
    conn.exec_driver_sql(
        "select set_config('TimeZone', (12 - extract(hour from now() at time zone 'UTC'))::text, true)"
    )


def test_every_column_says_its_type_and_what_it_is(conn: Connection) -> None:
    for view, column, kind, about in ask(conn, COLUMNS):
        assert about.startswith(f"{kind}: "), f"{view}.{column} is {kind}: {about!r}"
        assert f"| `{column}` | {kind} | {about.partition(': ')[2]} |" in PAGE
    for view, about in ask(
        conn,
        "select relname, obj_description(oid) from pg_class "
        "where relnamespace = 'report'::regnamespace and relkind = 'v'",
    ):
        assert f"### report.{view}\n\n{about}\n" in PAGE


def test_what_was_promised_is_there_in_its_order_and_of_its_type(conn: Connection) -> None:
    there: dict[str, list[str]] = {}
    for view, column, kind, _ in ask(conn, COLUMNS):
        there.setdefault(view, []).append(f"{column} {kind}")
    promised = (Path(__file__).parent / "promised.txt").read_text()
    for line in promised.splitlines():
        view, _, columns = line.partition(": ")
        named = columns.split(", ")
        assert there[view][: len(named)] == named, f"{view}: a promised column changed, so report.version must grow"


def test_queues_counts_every_status_and_how_the_line_stands(monday: Connection) -> None:
    [row] = ask(monday, "select * from report.queues")
    assert (row.queue, row.waiting, row.prioritized, row.delayed, row.active) == (QUEUE, 1, 0, 1, 1)
    assert (row.completed, row.failed, row.finished_5m) == (2, 2, 3)
    assert 0 <= row.oldest_ready_s < 60
    assert row.drain_s == 100
    assert row.next_due_at is not None
    assert row.start_within_ms is None


def test_queues_shows_within_which_time_its_jobs_have_to_start(monday: Connection) -> None:
    monday.exec_driver_sql(f"insert into rowline.queue_settings (queue, start_within_ms) values ('{QUEUE}', 5000)")
    assert [tuple(row) for row in ask(monday, "select start_within_ms from report.queues")] == [(5000,)]


def test_minutes_tells_what_was_added_and_ended(monday: Connection) -> None:
    [row] = ask(monday, "select * from report.minutes")
    assert (row.queue, row.added, row.completed, row.failed) == (QUEUE, 7, 2, 2)


@pytest.mark.parametrize("per", ["minute", "hour", "day"])
def test_throughput_counts_what_finished_once_in_each_length(monday: Connection, per: str) -> None:
    rows = ask(monday, f"select * from report.throughput where per = '{per}'")
    assert (sum(row.completed for row in rows), sum(row.failed for row in rows)) == (2, 2)


@pytest.mark.parametrize("hours", [0, 1, 23, 60, 24 * 30])
def test_latency_knows_how_long_jobs_waited_and_ran_also_those_that_were_removed(
    monday: Connection, hours: int
) -> None:
    monday.exec_driver_sql("delete from rowline.jobs")
    monday.exec_driver_sql("delete from rowline.attempts")
    monday.exec_driver_sql(f"update rowline.job_minutes set minute = minute - interval '{hours} hours'")
    minutes.forget(monday, limit=1_000)
    for per in ("minute", "hour", "day"):
        rows = ask(monday, f"select * from report.latency where per = '{per}'")
        if per == "minute" and hours > 24:
            assert rows == []
            continue
        [row] = rows
        assert (row.queue, row.jobs) == (QUEUE, 2)
        assert row.wait_p50_s < 300 < row.wait_p95_s < row.wait_p99_s <= 600
        assert 0 < row.run_p50_s < row.run_p99_s < 60


def test_hours_become_days_and_throughput_tells_of_both(monday: Connection) -> None:
    monday.exec_driver_sql("update rowline.job_minutes set minute = minute - interval '91 days'")
    minutes.forget(monday, limit=1_000)
    minutes.forget_hours(monday, limit=1_000)
    assert ask(monday, "select * from report.throughput where per = 'hour'") == []
    [day] = ask(monday, "select * from report.throughput where per = 'day'")
    assert (day.completed, day.failed) == (2, 2)
    [day] = ask(monday, "select * from report.series where per = 'day'")
    assert (day.added, day.claimed, day.completed, day.failed, day.retried, day.stalled) == (7, 6, 2, 2, 1, 0)
    assert (sum(day.waits), sum(day.runs)) == (6, 5)
    [day] = ask(monday, "select * from report.latency where per = 'day'")
    assert day.jobs == 2


@pytest.mark.parametrize("per", ["minute", "hour", "day"])
def test_series_tells_all_that_happened_in_each_length(monday: Connection, per: str) -> None:
    [row] = ask(monday, f"select * from report.series where per = '{per}'")
    assert (row.added, row.claimed, row.completed, row.failed, row.retried, row.stalled) == (7, 6, 2, 2, 1, 0)
    assert (sum(row.waits), sum(row.runs)) == (6, 5)
    assert 990 <= row.wait_s < 1_100
    assert 0 <= row.run_s < 60


def test_failures_that_differ_by_numbers_alone_are_one(monday: Connection) -> None:
    [row] = ask(monday, "select * from report.failures")
    assert (row.queue, row.name, row.failures, row.jobs, row.jobs_lost) == (QUEUE, "letter", 3, 2, 2)


@pytest.mark.parametrize(
    ("reason", "stack", "is_alike"),
    [
        ("letter 8 refused", STACK.format(12, 8), True),
        ("letter 7 refused\nfor the 3rd time", STACK.format(99, 99), True),
        ("letter 7 lost", STACK.format(7, 7), False),
        ("letter 7 refused", STACK.format(7, 7).replace("send", "post"), False),
        ("letter 7 refused", None, False),
    ],
)
def test_a_fingerprint_is_of_the_reason_and_the_frames(
    conn: Connection, reason: str, stack: str | None, *, is_alike: bool
) -> None:
    query = "select report.fingerprint(%s, %s) = report.fingerprint(%s, %s)"
    found = conn.exec_driver_sql(query, ("letter 7 refused", STACK.format(7, 7), reason, stack)).scalar_one()
    assert found is is_alike


def test_workers_tells_what_each_did(monday: Connection) -> None:
    [row] = ask(monday, "select * from report.workers")
    assert (row.worker, row.queues, row.active, row.completed_1h, row.failed_1h) == ("w", [QUEUE], 1, 2, 3)


def test_attempts_has_every_claim_once(monday: Connection) -> None:
    rows = ask(monday, "select id, nth, outcome from report.attempts where name = 'letter' order by number, nth")
    assert [tuple(row)[1:] for row in rows[:4]] == [(1, "failed"), (2, "failed"), (1, "failed"), (1, "completed")]
    assert [row.outcome for row in rows[4:]] == ["completed", "running"]


def test_arrivals_counts_live_and_finished_jobs_by_their_hour(monday: Connection) -> None:
    [row] = ask(monday, "select from_at = date_trunc('hour', now()) as is_now, queue, added from report.arrivals")
    assert tuple(row) == (True, QUEUE, 7)


@pytest.mark.parametrize("hours", [0, 1, 47, 60])
def test_throughput_and_arrivals_tell_of_jobs_that_were_removed_whenever_that_was(
    monday: Connection, hours: int
) -> None:
    monday.exec_driver_sql("delete from rowline.jobs")
    monday.exec_driver_sql(f"update rowline.job_minutes set minute = minute - interval '{hours} hours'")
    minutes.forget(monday, limit=1_000)
    counts.fold(monday, limit=100)
    told = dict(
        ask(monday, "select per, array[sum(completed), sum(failed)]::int[] from report.throughput group by per")
    )
    assert told == {per: [2, 2] for per in ("minute", "hour", "day") if per != "minute" or hours <= 24}
    rows = ask(
        monday,
        f"select added from report.arrivals where from_at = date_trunc('hour', now()) - interval '{hours} hours'",
    )
    assert [row.added for row in rows] == ([7] if hours <= 48 else [])


def test_an_hour_is_told_whole_while_half_of_it_are_minutes_still(conn: Connection) -> None:
    at = "date_bin('1 hour', now() - interval '30 hours', timestamptz 'epoch')"
    conn.exec_driver_sql(f"insert into rowline.job_hours values ({at}, 'q', 5, 3, 1)")
    conn.exec_driver_sql(f"insert into rowline.job_minutes values ({at} + interval '40 minutes', 'q', 2, 1, 1)")
    [hour] = ask(conn, "select completed, failed, finished from report.throughput where per = 'hour'")
    assert tuple(hour) == (4, 2, 6)
    assert [row.added for row in ask(conn, "select added from report.arrivals")] == [7]


def test_what_was_only_added_in_a_time_is_no_throughput(conn: Connection) -> None:
    conn.exec_driver_sql("insert into rowline.job_minutes values (date_trunc('minute', now()), 'q', 2, 0, 0)")
    assert ask(conn, "select * from report.throughput") == []


def test_an_endpoint_shows_its_host_and_no_secret(monday: Connection) -> None:
    [row] = ask(monday, "select * from report.endpoints")
    assert row.host == "hooks.example.com:8443"
    assert "secret" not in str(tuple(row))
    assert row.sees_payload is True


def test_retention_tells_how_many_are_kept_and_since_when(monday: Connection) -> None:
    rows = ask(monday, "select * from report.retention order by status")
    assert [(row.status, row.jobs) for row in rows] == [("completed", 2), ("failed", 2)]
    assert rows[0].oldest_finished_at < rows[0].newest_finished_at


def test_attention_names_a_queue_without_workers_and_jobs_that_nobody_moves(conn: Connection) -> None:
    insert(conn, new(), queue="idle")
    insert(conn, new(delay_ms=1000), queue="late")
    insert(conn, new(), queue="hung")
    claim(conn, queue="hung")
    conn.exec_driver_sql("update rowline.jobs set place = place - 600000000 where queue = 'idle'")
    conn.exec_driver_sql("update rowline.jobs set run_at = now() - interval '5 minutes' where queue = 'late'")
    conn.exec_driver_sql("update rowline.jobs set leased_until = now() - interval '5 minutes' where queue = 'hung'")
    rows = ask(conn, "select problem, queue, jobs from report.attention order by problem")
    assert [tuple(row) for row in rows] == [("lease over", "hung", 1), ("no worker", "idle", 1), ("overdue", "late", 1)]


def test_retention_tells_what_is_set_and_where_and_attention_what_grows(conn: Connection) -> None:
    for queue in ("own", "service", "none"):
        in_status(conn, Status.COMPLETED)
        conn.exec_driver_sql("update rowline.jobs set queue = %(q)s where queue = 'q'", {"q": queue})
        conn.exec_driver_sql("insert into rowline.job_counts (queue, completed) values (%(q)s, 100000)", {"q": queue})
    conn.exec_driver_sql("delete from rowline.settings")
    conn.exec_driver_sql("insert into rowline.queue_settings (queue, remove_on_complete) values ('own', 'false')")
    told = "select queue, keeps, set_by from report.retention where jobs >= 100000 order by queue"
    assert ask(conn, told) == [("none", None, None), ("own", "false", "queue"), ("service", None, None)]
    grows = "select queue, jobs from report.attention where problem = 'kept for ever' order by queue"
    assert [row.queue for row in ask(conn, grows)] == ["none", "service"]
    conn.exec_driver_sql("insert into rowline.settings (remove_on_complete) values ('{\"age\":9}')")
    assert ask(conn, told)[2] == ("service", '{"age":9}', "service")
    assert ask(conn, grows) == []


def test_a_job_in_line_waits_and_one_cancelled_there_never_ran(conn: Connection) -> None:
    [number] = insert(conn, queue=QUEUE)
    assert ask(conn, "select wait_s >= 0, run_s from report.jobs") == [(True, None)]
    jobs.cancel(conn, queue=QUEUE, numbers=[number])
    assert ask(conn, "select status, wait_s, run_s from report.jobs") == [("failed", None, None)]


def test_a_job_that_was_handed_back_is_an_attempt_and_no_failure(conn: Connection) -> None:
    insert(conn, queue=QUEUE)
    leases.release(conn, queue=QUEUE, releases=[Release(lease=claim(conn, queue=QUEUE)[0].key)])
    assert ask(conn, "select outcome from report.attempts") == [("released",)]
    assert ask(conn, "select * from report.failures") == []
