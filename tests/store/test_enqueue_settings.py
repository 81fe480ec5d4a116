"""What a session may set changes nothing of what rowline.enqueue stores and refuses."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from app.postgres import libpq
from app.postgres.database import Database
from tests.support.client import Client
from tests.support.outbox import Sql

EXTREMES = """
select name, value
from pg_settings
cross join lateral unnest(
    case vartype when 'bool' then '{on,off}' when 'enum' then enumvals else array[min_val, max_val] end
) as other (value)
where context = 'user' and value is not null and value <> setting
    and name not like 'transaction%'
    and name not in ('default_transaction_read_only', 'exit_on_error')  -- that forbid to write, or end at a refusal
"""
"""Each value of what has few of them, and the least and the greatest of each number."""
TEXTS = (
    *(
        ("datestyle", "SQL, DMY"),
        ("datestyle", "German"),
        ("timezone", "Pacific/Kiritimati"),
        ("timezone", "<x>-25:59"),
    ),
    *(("timezone_abbreviations", "India"), ("lc_numeric", "de_DE.UTF-8"), ("lc_monetary", "de_DE.UTF-8")),
    *(("lc_time", "tr_TR.UTF-8"), ("search_path", ""), ("search_path", "pg_temp, public, pg_catalog")),
    *(("default_text_search_config", "german"), ("client_encoding", "LATIN1"), ("client_encoding", "SQL_ASCII")),
    *(("default_table_access_method", "heap"), ("rowline.max_jobs", "1"), ("rowline.max_body_bytes", "1")),
)
JOBS = json.dumps(
    [
        {"name": "\u00e9 \\ '", "data": {"\\d": 1e-7, "at": "1 2 3"}, "opts": {"delay": 90_061_001}},
        {"name": "n", "data": 0.1, "opts": {"backoff": {"type": "fixed", "jitter": 0.123456789, "delay": 1e3}}},
        {"name": "n", "data": None, "opts": {"tags": ["NULL", "null", "{,}", '"\\', "01.02.2003"], "jobId": "1,5"}},
        {"name": "n", "data": "\U0001f600", "opts": {"lifo": True, "priority": 2_097_152, "attempts": 0}},
        {"name": "n", "data": 1, "opts": {"backoff": {"type": "linear", "jitter": 1e-12}, "keepLogs": 5.0}},
        {"name": "n", "data": 1, "opts": {"backoff": 50}},
    ]
)
WRONG = json.dumps(
    [
        {
            "name": "n",
            "data": 1,
            "opts": {"delay": 1e17, "priority": 10**30, "tags": ["x" * 101], "backoff": {"jitter": 1.5}, "jobId": "1"},
        }
    ]
)

REFUSED = "select rowline.enqueue_many('q', %s::json)"


@pytest.fixture
def plain(db: Database, shared_url: str) -> Iterator[Sql]:
    assert db
    with psycopg.connect(libpq.normal(shared_url), autocommit=True) as connection:
        yield Sql(connection)


def add_with(sql: Sql, setting: str, value: str) -> list[str] | None:
    """Add JOBS with this setting; return what is told of WRONG. None if no session can have it."""
    sql.connection.execute("discard all")  # settings, and plans that were made under them
    try:
        sql.connection.execute("select set_config(%s, %s, false)", (setting, value))
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.FeatureNotSupported):
        return None  # such as a locale that this machine does not have
    sql.add("q", JOBS)
    return sql.refusal(REFUSED, WRONG)


def test_a_session_may_set_what_it_likes(plain: Sql, client: Client, shared_url: str) -> None:
    assert client.post("/queues/posted/jobs", JOBS).status_code == 200
    stored, refused = plain.rows("posted"), plain.refusal(REFUSED, WRONG)
    tried, differing = set(), []
    with psycopg.connect(libpq.normal(shared_url), autocommit=True, prepare_threshold=None) as connection:
        for setting, value in [*plain.connection.execute(EXTREMES).fetchall(), *TEXTS]:
            plain.connection.execute("delete from rowline.jobs")
            told = add_with(Sql(connection), setting, value)
            if told is not None:
                tried.add(setting)
                if (plain.rows("q"), told) != (stored, refused):
                    differing.append((setting, value))
    assert differing == []
    assert {"extra_float_digits", "datestyle", "array_nulls", "IntervalStyle", "bytea_output"} <= tried
