"""Jobs added in SQL are those that POST would add, and those that it refuses are refused in the same words."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.options import KINDS_IN_SQL, OPTIONS
from app.operations import maintenance
from app.postgres import libpq, notify
from app.postgres.database import Database
from tests.support import databases, json_texts
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.clusters import PATIENCE_S
from tests.support.outbox import Sql

OPTIONS_IN_SQL = [option.name for option in OPTIONS if option.kind in KINDS_IN_SQL]
KEYS = (*OPTIONS_IN_SQL, "Attempts", "", "x" * 101)
NUMBERS = (
    *("0", "-0", "1", "5.0", "5.5", "5e0", "1e3", "1e400", "-1e400", "1e-400", "1.0000000000000001", "-1", "1000"),
    *("1001", "1000000", "1000001", "2097152", "2097153", "100", "101", "316224000000", "316224000001", "9" * 30),
    *("9" * 1001, "0.5", "1.5", "0.1234567890123456"),
)
VALUES = st.sampled_from(
    (
        *(
            *NUMBERS,
            "null",
            "true",
            "false",
            '"5"',
            '""',
            '"12"',
            '"a"',
            '"a/b"',
            '"."',
            '"\\u0085"',
            '"é"',
            "[]",
            "{}",
            '["a", "a"]',
            '["", 1, null, "a"]',
            '["1","2","3","4","5","6","7","8","9","10","11"]',
            f'["{"é" * 100}", "{"é" * 101}"]',
        ),
        *('"\\ud83d\\ude00"', '"\\u0000"', '"\\ud800"', json.dumps("x" * 255), json.dumps("x" * 256), '"١٢"'),
    )
)


def members(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"


BACKOFFS = st.lists(
    st.tuples(st.sampled_from(["type", "delay", "jitter", "more"]), VALUES | st.sampled_from(['"fixed"', '"linear"'])),
    max_size=4,
).map(members)
SOUND = st.sampled_from(
    (
        *(
            ("attempts", "3"),
            ("delay", "500"),
            ("priority", "7"),
            ("lifo", "true"),
            ("timeout", "9.0"),
            ("keepLogs", "1e1"),
            ("tags", '["b", "a \\"quoted\\"", "{,}", "\\u00f6"]'),
            ("tags", "[]"),
            ("removeOnComplete", "true"),
            ("removeOnComplete", '{"count": 2.0, "age": 60}'),
            ("removeOnFail", "false"),
            ("removeOnFail", "3"),
            ("startBy", "253402300799999"),
            ("startBy", "1.7e12"),
        ),
        *(("backoff", '{"type": "linear", "delay": 2.0, "jitter": 0.25}'), ("backoff", "50"), ("stackTraceLimit", "0")),
        *(("jobId", '"a"'), ("jobId", '"b"'), ("jobId", '""'), ("jobId", "null")),
    )
)
KEPT = st.lists(st.tuples(st.sampled_from(["age", "count", "more", "most"]), VALUES), max_size=4).map(members)
OPTION = (
    st.tuples(st.sampled_from(KEYS), VALUES)
    | st.tuples(st.just("backoff"), BACKOFFS)
    | st.tuples(st.sampled_from(["removeOnComplete", "removeOnFail"]), KEPT)
    | SOUND
)
OPTS = st.lists(SOUND, max_size=5, unique_by=lambda pair: pair[0]).map(members) | st.lists(OPTION, max_size=3).map(
    members
)
MEMBER = (
    st.tuples(st.just("name"), VALUES | st.just('"letter"'))
    | st.tuples(st.just("data"), json_texts.texts | VALUES)
    | st.tuples(st.just("opts"), OPTS | VALUES)
    | st.tuples(st.just("more"), VALUES)
)
SOUND_JOB = st.tuples(json_texts.texts, OPTS).map(
    lambda drawn: members([("name", '"letter"'), ("data", drawn[0]), ("opts", drawn[1])])
)
JOBS = st.lists(SOUND_JOB | st.lists(MEMBER, max_size=4).map(members) | VALUES, max_size=3).map(
    lambda jobs: f"[{', '.join(jobs)}]"
)
ANNOUNCE = """
create function public.notify() returns trigger language plpgsql as $$ begin
    perform rowline.enqueue('orders', 'created', to_json(new.number));
    return new;
end $$
"""
OF_THE_BODY = (
    "is there twice",
    "\\u0000",
    "a lone surrogate",
    "is not JSON",
    "digits",
    "nested",
    "must be a JSON array",
)
"""What is told of the body before its jobs are read: of several such faults only one, by each in its own order."""


@pytest.fixture
def sql(db: Database, shared_url: str) -> Any:
    with psycopg.connect(libpq.normal(shared_url), autocommit=True) as connection:
        yield Sql(connection)


def each_option(value: str) -> str:
    """As many jobs as there are options, each with one of them, which has this value."""
    return f"[{', '.join(members([('name', '1'), ('opts', members([(key, value)]))]) for key in KEYS)}]"


def posted(client: Client, jobs: str) -> tuple[int, Any]:
    answer = client.post("/queues/posted/jobs", jobs)
    return answer.status_code, answer.json


@json_texts.IN_DATABASE
@given(JOBS)
@example('[{"name": "n", "data": ' + "[" * 128 + "]" * 128 + "}]")
@example('[{"name": "n", "data": ' + "[" * 129 + "]" * 129 + "}]")
@example('[{"name": "n", "data": "' + "[" * 129 + '"}]')
@example('[{"name": "n", "data": "\\\\u0000"}]')
@example('[{"name": "n", "data": {"a": 1, "a": 2}}]')
@example('[{"name": "n", "data": 1, "opts": {"jobId": "repeat:nightly:1"}}]')
@example(each_option("1"))
@example(each_option('"x"'))
@example(each_option("true"))
@example(each_option('["x", 1, ""]'))
@example(each_option("{}"))
@example('[{"name": "n", "data": 1, "opts": {"delay": 1, "delay": 1}}]')
@example('[{"name": "n", "data": "' + "é" * 524_288 + '"}]')
@example('[{"name": "n", "data": "' + "x" * 1_048_574 + '"}]')
def test_what_post_takes_sql_takes_alike_and_what_it_refuses_sql_refuses(sql: Sql, client: Client, jobs: str) -> None:
    sql.connection.execute("delete from rowline.jobs")
    status, answer = posted(client, jobs)
    if status == 200:
        added = sql.add("sql", jobs)
        assert sql.rows("sql") == sql.rows("posted")
        assert [row[3] for row in added] == [job["outcome"] for job in answer]
        assert [row[2] for row in added] == [job["status"] for job in answer]
        assert [row[0] == str(row[1]) for row in added] == [not job["opts"].get("jobId") for job in answer]
        return
    faults = sql.refusal("select rowline.enqueue_many('sql', %s::json)", jobs)
    assert sql.rows("sql") == []
    told = [f"{fault['path']} {fault['message']}" for fault in answer["details"]]
    if any(word in fault for word in OF_THE_BODY for fault in (told[0], faults[0])):
        assert len(faults) == 1
    else:
        assert faults == told


@pytest.mark.parametrize(
    "job",
    [
        '{"name": %s, "data": 1}',
        '{"name": "n", "data": [%s]}',
        '{"name": "n", "data": {%s: 1}}',
        '{"name": "n", "data": 1, "opts": {"jobId": %s}}',
        '{"name": "n", "data": 1, "opts": {%s: 1}}',
        '{"name": "n", "data": 1, "opts": {"tags": [%s]}}',
        '{"name": "n", "data": 1, %s: 1}',
    ],
)
@pytest.mark.parametrize("text", ['"\\ud83d\\\\\\ude00"', '"\\ud83d\\\\\\\\\\ude00"', '"\\ud83d \\ude00"', '"\\ude00"'])
def test_a_lone_surrogate_is_named_wherever_it_stands(sql: Sql, client: Client, job: str, text: str) -> None:
    jobs = f"[{job % text}]"
    assert sql.refusal("select rowline.enqueue_many('q', %s::json)", jobs) == ["jobs must not contain a lone surrogate"]
    status, answer = posted(client, jobs)
    assert (status, answer["details"][0]["message"]) == (400, "must not contain a lone surrogate")


@pytest.mark.parametrize(
    ("call", "faults"),
    [
        ("'q', 'n', null", ["data is required"]),
        ("'q', null, '1'", ["name must be a string"]),
        ("'q', '', '1'", ["name must not be empty"]),
        ("null, 'n', '1'", ["queue name must be a string"]),
        ("'a/b', 'n', '1'", ["queue name must not contain '/'"]),
        ("repeat('x', 101), 'n', '1'", ["queue name must be at most 100 characters, not 101"]),
        ("'q', 'n', '1', '[]'", ["opts must be an object"]),
        ("'q', 'n', '1', '{\"flavour\": 1}'", ["opts.flavour is not known here"]),
        ("'q', 'n', '1', '{\"backoff\": -1}'", ["opts.backoff must be between 0 and 316224000000"]),
        ("'q', 'n', '1', '{\"backoff\": []}'", ["opts.backoff must be an object or a number of milliseconds"]),
        ("'q', 'n', '1', '{\"group\": {}}'", ["opts.group is an option that Rowline does not have yet"]),
        (
            "'q', 'n', '1', '{\"priority\": 0, \"delay\": -1}'",
            ["opts.delay must be between 0 and 316224000000", "opts.priority must be between 1 and 2097152"],
        ),
    ],
)
def test_one_job_is_refused_with_every_fault_by_name(sql: Sql, call: str, faults: list[str]) -> None:
    assert sql.refusal(f"select rowline.enqueue({call})") == faults


def test_one_job_is_stored_to_the_letter(sql: Sql, client: Client) -> None:
    opts = '{"jobId": "mine", "priority": 2.0}'
    [row] = sql.connection.execute(
        "select * from rowline.enqueue('sql', 'n', %s::json, %s::json)", (' {"a" : 1.0e400} ', opts)
    ).fetchall()
    posted(client, f'[{{"name": "n", "data": {{"a" : 1.0e400}}, "opts": {opts}}}]')
    assert (row[0], row[2:]) == ("mine", ("prioritized", "created"))
    assert sql.rows("sql") == sql.rows("posted")


def test_the_first_job_of_a_session_may_have_a_backoff_in_ms(sql: Sql) -> None:
    sql.connection.execute("select rowline.enqueue('sql', 'n', '1', '{\"backoff\": 50}')")
    stored = sql.connection.execute("select backoff_type, backoff_delay_ms from rowline.jobs").fetchall()
    assert stored == [("fixed", 50)]


def test_a_job_whose_id_exists_stays_as_it_is(sql: Sql) -> None:
    call = "select * from rowline.enqueue('sql', 'n', %s, '{\"jobId\": \"mine\"}')"
    [first] = sql.connection.execute(call, ("1",)).fetchall()
    [second] = sql.connection.execute(call, ("2",)).fetchall()
    assert second == (*first[:3], "duplicate")
    assert sql.connection.execute("select data::text from rowline.jobs").fetchall() == [("1",)]


def test_a_job_of_a_transaction_that_is_rolled_back_never_was(sql: Sql) -> None:
    with pytest.raises(ZeroDivisionError), sql.connection.transaction():
        sql.connection.execute("select rowline.enqueue('sql', 'n', '1')")
        assert len(sql.rows("sql")) == 1
        raise ZeroDivisionError
    assert sql.rows("sql") == []


def test_a_trigger_adds_a_job_for_each_row_in_the_order_of_the_rows(own_url: str) -> None:
    statements = (
        "create table public.orders (number integer)",
        ANNOUNCE,
        "create trigger announce after insert on public.orders for each row execute function public.notify()",
        "insert into public.orders select generate_series(1, 50)",
    )
    for statement in statements:
        databases.run(own_url, statement)
    found = databases.ask(own_url, "select data::text from rowline.jobs where queue = 'orders' order by place")
    assert [int(row[0]) for row in found] == list(range(1, 51))


def limit(url: str, setting: str) -> None:
    """Do as the page says, with `setting` in the place of the page's."""
    databases.run(url, f'alter database "{databases.ask(url, "select current_database()")[0][0]}" set {setting}')


def test_the_operators_limits_hold(own_url: str) -> None:
    many = '[{"name": "n", "data": 1}, {"name": "n", "data": 1}]'
    limit(own_url, "rowline.max_jobs = 1")
    limit(own_url, "rowline.max_data_bytes = 5")
    with psycopg.connect(libpq.normal(own_url), autocommit=True) as connection:
        sql = Sql(connection)
        assert sql.refusal("select rowline.enqueue_many('q', %s::json)", many) == ["jobs must hold at most 1 jobs"]
        assert sql.refusal("select rowline.enqueue('q', 'n', '123456')") == ["data must be at most 5 bytes"]


def test_the_operators_limit_of_a_body_holds_and_leaves_room_for_the_data_of_a_job(own_url: str) -> None:
    call = "select rowline.enqueue('q', 'n', to_json(repeat('x', %s)))"
    limit(own_url, "rowline.max_data_bytes = 20000000")
    with psycopg.connect(libpq.normal(own_url), autocommit=True) as connection:
        connection.execute(call, (19_999_998,))
        assert Sql(connection).refusal(call, 19_999_999) == ["data must be at most 20000000 bytes"]
    limit(own_url, "rowline.max_body_bytes = 100")
    with psycopg.connect(libpq.normal(own_url), autocommit=True) as connection:
        connection.execute("set rowline.max_body_bytes = 1000")
        assert Sql(connection).refusal(call, 100) == ["job must be at most 100 bytes"]


def test_who_adds_jobs_cannot_raise_the_limits(own_url: str) -> None:
    limit(own_url, "rowline.max_data_bytes = 5")
    [(name,)] = databases.ask(own_url, "select current_database()")
    with psycopg.connect(databases.as_owner(own_url), autocommit=True) as connection:
        connection.execute("set role rowline_enqueue")
        for whose in (f'database "{name}"', "role rowline_enqueue", f'role rowline_enqueue in database "{name}"'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"alter {whose} set rowline.max_data_bytes = 1000".encode())
        for ruse in (
            "set rowline.max_data_bytes = 1000",
            "set rowline.max_data_bytes = ''",
            "reset all",
            "discard all",
        ):
            connection.execute(ruse.encode())
            refused = Sql(connection).refusal("select rowline.enqueue('q', 'n', '123456')")
            assert refused == ["data must be at most 5 bytes"]


def test_a_limit_that_is_no_number_is_named_with_what_to_do(own_url: str) -> None:
    limit(own_url, "rowline.max_jobs = '1e3'")
    with (
        psycopg.connect(libpq.normal(own_url)) as connection,
        pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught,
    ):
        connection.execute("select rowline.enqueue('q', 'n', '1')")
    said = caught.value.diag
    assert (
        said.message_primary == 'rowline.max_jobs is "1e3" in the settings of the database, and must be a whole number'
    )
    assert (said.message_hint or "").endswith(" set rowline.max_jobs = 10000")


def test_a_session_that_reads_backslashes_in_the_old_way_is_told_the_same(sql: Sql) -> None:
    sql.connection.execute("set standard_conforming_strings = off")
    sql.connection.execute("set escape_string_warning = off")
    refused = sql.refusal("select rowline.enqueue('q', 'n', %s)", psycopg.types.json.Json("\0"))
    assert refused == ["jobs must not contain \\u0000"]
    sql.connection.execute("select rowline.enqueue('q', 'n', %s)", (psycopg.types.json.Json("\U0001f600"),))


@pytest.mark.parametrize("asked", [True, False])
def test_workers_are_woken_at_the_commit_if_that_is_asked_for(sql: Sql, shared_url: str, *, asked: bool) -> None:
    with psycopg.connect(libpq.normal(shared_url), autocommit=True) as listening:
        listening.execute(f"listen {notify.channel('queue é')}")
        with sql.connection.transaction():
            sql.connection.execute("select rowline.enqueue('queue é', 'n', '1', notify => %s)", (asked,))
        timeout_s = PATIENCE_S if asked else 0.2
        assert len(list(listening.notifies(timeout=timeout_s, stop_after=1))) == asked


def test_a_path_of_the_callers_own_changes_nothing(own_url: str) -> None:
    with psycopg.connect(databases.as_owner(own_url), autocommit=True) as connection:
        connection.execute("create function hostile.json_typeof(json) returns text language sql as 'select ''object'''")
        connection.execute("set search_path = hostile, pg_catalog, rowline")
        connection.execute("select rowline.enqueue('q', 'n', '1', '{\"attempts\": 2}')")
        assert connection.execute("select attempts from rowline.jobs").fetchall() == [(2,)]


def test_what_the_page_shows_works(own_url: str) -> None:
    page = (Path(__file__).parents[2] / "app" / "docs" / "outbox.md").read_text()
    transaction, trigger = ("\n".join(block) for block in blocks(page))
    databases.run(own_url, "create table public.orders (id integer, total numeric)")
    databases.run(own_url, trigger)
    databases.run(own_url, transaction)
    found = databases.ask(own_url, "select queue, name, custom_id, data ->> 'total' from rowline.jobs order by number")
    assert found == [("orders", "placed", None, "99.50"), ("mail", "receipt", "receipt-17", None)]


def blocks(page: str) -> list[list[str]]:
    """The indented blocks of a page."""
    found: list[list[str]] = [[]]
    for line in page.splitlines():
        if line.startswith("    "):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [block for block in found if block]


def test_the_counts_know_of_what_was_added_and_of_nothing_else(sql: Sql, db: Database) -> None:
    opts = (
        '[{"name": "n", "data": 1}, {"name": "n", "data": 1, "opts": {"priority": 1, "jobId": "a"}}, '
        '{"name": "n", "data": 1, "opts": {"delay": 9999, "jobId": "b"}}, '
        '{"name": "n", "data": 1, "opts": {"jobId": "b"}}]'
    )
    sql.add("sql", opts)
    sql.add("sql", opts.replace('"data": 1}, ', '"data": 1, "opts": {"jobId": "a"}}, ', 1))
    with pytest.raises(ZeroDivisionError), sql.connection.transaction():
        sql.add("sql", opts)
        raise ZeroDivisionError
    counted = "select waiting, prioritized, delayed, active from report.counts where queue = 'sql'"
    assert sql.connection.execute(counted).fetchall() == [(1, 1, 1, 0)]
    assert maintenance.recount(db, actor=ACTOR) == []
