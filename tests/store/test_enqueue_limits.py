"""What is too large for POST is too large in SQL, refused before anything that takes long; numbers mean the same."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from app.postgres import libpq
from app.postgres.database import Database
from app.web.jobs.new_job import OPTS_TEXT_MAX
from app.wire.demands import LONGEST
from app.wire.jsonreader import MEMBERS_MAX
from tests.support.client import Client
from tests.support.outbox import Sql

MIB = 2**20
NAME_TEXT_MAX = 2 * MIB
BODY_MAX = 10 * MIB


@pytest.fixture
def sql(db: Database, shared_url: str) -> Iterator[Sql]:
    assert db
    with psycopg.connect(libpq.normal(shared_url), autocommit=True) as connection:
        yield Sql(connection)


def padded(text: str, size: int) -> str:
    """An object as JSON, made so many bytes long by white space."""
    return "{" + " " * (size - len(text.encode())) + text[1:]


def assert_alike(sql: Sql, client: Client, jobs: str) -> int:
    """POST and SQL must store the same, or refuse in the same words; returns the status of POST."""
    answer = client.post("/queues/posted/jobs", jobs)
    if answer.status_code == 200:
        sql.add("sql", jobs)
        assert sql.rows("sql") == sql.rows("posted")
    else:
        told = [f"{fault['path']} {fault['message']}" for fault in (answer.json or {})["details"]]
        assert sql.refusal("select rowline.enqueue_many('sql', %s::json)", jobs) == told
        assert sql.rows("sql") == []
    return answer.status_code


OPTS = (
    '{"tags": ["é", "\\u00f6", "\U0001f600"]}',
    '{"tags": [' + ", ".join([json.dumps("é" * 100)] * 10) + "]}",
    '{"tags": [' + ", ".join([json.dumps("日" * 100, ensure_ascii=False)] * 10) + "]}",
)


@pytest.mark.parametrize("opts", OPTS)
@pytest.mark.parametrize(("size", "status"), [(OPTS_TEXT_MAX, 200), (OPTS_TEXT_MAX + 1, 413)])
def test_options_are_counted_in_bytes_as_they_were_sent(
    sql: Sql, client: Client, opts: str, size: int, status: int
) -> None:
    job = f'{{"name": "n", "data": 1, "opts" : \n {padded(opts, size)} \t}}'
    assert assert_alike(sql, client, f"[{job}]") == status
    assert assert_alike(sql, client, f'[{{"name": "n", "data": {2 * "[" + 2 * "]"}}}, {job}]') == status


@pytest.mark.parametrize(
    "job",
    [
        f'{{"name": "{"x" * (NAME_TEXT_MAX - 1)}", "data": 1}}',
        f'{{"name": "{"x" * (NAME_TEXT_MAX - 2)}", "data": 1}}',
        f'{{"more": "{"x" * LONGEST}", "name": "n", "data": 1}}',
        f'{{"{"m" * 101}": "{"x" * LONGEST}", "name": "n", "data": 1}}',
        f'{{"data": "{"é" * (MIB // 2)}", "name": "n", "opts": {padded("{}", OPTS_TEXT_MAX + 1)}}}',
        f'{{"opts": {padded("{}", OPTS_TEXT_MAX + 1)}, "data": "{"x" * MIB}", "name": "n"}}',
        f'{{"data": {"[" * 129 + "]" * 129}, "opts": {padded("{}", OPTS_TEXT_MAX + 1)}, "name": "n"}}',
        json.dumps({"data": 1, "name": "n"} | {str(nth): 1 for nth in range(MEMBERS_MAX - 1)}),
    ],
)
def test_a_member_that_is_too_large_is_refused_in_the_words_of_post(sql: Sql, client: Client, job: str) -> None:
    assert assert_alike(sql, client, f'[{{"name": "n", "data": 1}}, {job}]') in {400, 413, 422}


def test_of_very_many_faults_the_first_hundred_are_told(sql: Sql) -> None:
    opts = padded(json.dumps({f"x{nth}": 1 for nth in range(500)}), OPTS_TEXT_MAX)
    many = ", ".join([f'{{"name": "n", "data": 1, "opts": {opts}}}'] * 1000)
    faults = sql.refusal("select rowline.enqueue_many('sql', %s::json)", f"[{many}]")
    assert faults == [f"jobs[0].opts.x{nth} is not known here" for nth in range(100)]


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("'q', 'n', '1', ('{' || repeat(' ', 9000) || '}')::json", f"opts must be at most {OPTS_TEXT_MAX} bytes"),
        ("'q', repeat('x', 2097151), '1'", f"name must be at most {NAME_TEXT_MAX} bytes"),
        ("'q', 'n', to_json(repeat('x', 1048576))", f"data must be at most {MIB} bytes"),
        ("'q', 'n', to_json(repeat(chr(92), 6000000))", f"job must be at most {BODY_MAX} bytes"),
        ("'q', 'n', '1', ('{' || repeat(' ', 120000000) || '}')::json", f"job must be at most {BODY_MAX} bytes"),
    ],
)
def test_a_job_that_is_too_large_is_told_what_is(sql: Sql, call: str, fault: str) -> None:
    assert sql.refusal(f"select rowline.enqueue({call})") == [fault]
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        sql.connection.execute(f"select rowline.enqueue({call})".encode())


def test_an_array_may_be_as_long_as_a_body(sql: Sql) -> None:
    call = "select count(*) from rowline.enqueue_many('sql', (%s || repeat(' ', %s) || ']')::json)"
    one = '[{"name": "n", "data": 1}'
    assert sql.connection.execute(call, (one, BODY_MAX - len(one) - 1)).fetchone() == (1,)
    assert sql.refusal(call, one, BODY_MAX - len(one)) == [f"jobs must be at most {BODY_MAX} bytes"]


NUMBERS = [
    *("0." + "0" * 400 + "1", "-0." + "0" * 400 + "1", "1" * 300 + "e-700", "1" * 300 + "." + "1" * 300 + "e-700"),
    *("1" * 300 + "e700", "0." + "0" * 400 + "1e+401", "0." + "0" * 400 + "1e+800", "1" + "0" * 400 + ".0"),
    *("1" + "0" * 400 + "e-400", "0." + "1" * 4000, "1." + "0" * 4000 + "1", "1e-" + "9" * 3000, "1e" + "9" * 3000),
    *("0e" + "9" * 3000, "0.0e-999", "5e-324", "2e-324", "-2e-324", "1.7976931348623157e308", "1.8e308"),
    *("0.5e" + "0" * 2000 + "1", "1e00000000000", "-0.0", "1.00000000000000001", "0.1234567890125", "1e-12", "1e-13"),
    *("-1e999999", "1E+2"),
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "opts",
    [
        '{"delay": %s}',
        '{"attempts": %s}',
        '{"backoff": %s}',
        '{"backoff": {"type": "fixed", "delay": %s}}',
        '{"backoff": {"type": "fixed", "jitter": %s}}',
    ],
)
def test_a_number_means_what_it_means_in_post(sql: Sql, client: Client, opts: str, number: str) -> None:
    jobs = f'[{{"name": "n", "data": {number}, "opts": {opts % number}}}]'
    assert assert_alike(sql, client, jobs) in {200, 400}
