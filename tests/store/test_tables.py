"""The table that migrations make is the table that the code describes, and impossible rows are impossible."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy

from app.domain.attempts import LOGS_MAX, STACKS_KEPT, FailedCode
from app.domain.backoff import LONGEST_MS, BackoffType
from app.domain.ids import JOB_ID_MAX, JOB_NAME_MAX, QUEUE_NAME_MAX
from app.domain.job import ATTEMPTS_MAX, PRIORITY_MAX, START_BY_MAX
from app.domain.states import Status
from app.postgres import database, schema
from app.postgres.database import Connection
from app.store.tables import metadata
from tests.support import databases
from tests.support.jobs import in_status

CALLED = schema.MIGRATIONS / "sql" / "rowline" / "are_texts_4.sql"
"""What checks of tables call."""
TABLES = """
with tables as (
    select oid, relname from pg_class
    where relnamespace = 'rowline'::regnamespace and relkind in ('r', 'p') and not relispartition
        and relname <> 'alembic_version'
)
select relname || ' column ' || attname, format_type(atttypid, atttypmod) || ' ' || attnotnull::text || ' ' ||
    coalesce(pg_get_expr(adbin, adrelid), '') || ' ' || attcollation::regcollation::text
from pg_attribute join tables on attrelid = oid left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attnum > 0 and not attisdropped
union all
select relname || ' constraint ' || conname, pg_get_constraintdef(pg_constraint.oid)
from pg_constraint join tables on conrelid = tables.oid where contype <> 'n'
union all
select 'index ' || indexname, indexdef
from pg_indexes where schemaname = 'rowline' and tablename in (select relname from tables)
union all
select 'sequence ' || sequencename, data_type::text from pg_sequences where schemaname = 'rowline'
"""


def shape(url: str) -> dict[str, str]:
    with psycopg.connect(databases.as_owner(url)) as connection:
        return dict(connection.execute(TABLES).fetchall())


def test_the_migrations_make_what_the_code_describes(server_url: str, shared_url: str) -> None:
    with databases.fresh(server_url) as url:
        databases.run(url, "create schema rowline")
        databases.run(url, CALLED.read_text())
        engine = database.engine(url, {}, poolclass=sqlalchemy.NullPool)
        metadata.create_all(engine)
        assert shape(url) == shape(shared_url)


def test_no_check_of_jobs_is_prepared_anew_for_each_statement(shared_url: str) -> None:
    checks = "select conname from pg_constraint where conrelid = 'rowline.jobs'::regclass and contype = 'c'"
    assert databases.ask(shared_url, checks) == []


def test_what_the_rules_call_is_not_called_for_what_a_job_does_not_have(shared_url: str) -> None:
    called = (
        "select called.proname, called.proisstrict from pg_depend "
        "join pg_proc as rule on rule.oid = objid and rule.proname ~ '^broken_' "
        "join pg_proc as called on called.oid = refobjid and called.pronamespace = 'rowline'::regnamespace "
        "where classid = 'pg_proc'::regclass and refclassid = 'pg_proc'::regclass"
    )
    assert databases.ask(shared_url, called) == [("are_texts_1", True)]


IMPOSSIBLE = [
    ("jobs_status", Status.WAITING, "status = 'done'"),
    ("jobs_waiting_has_no_priority", Status.WAITING, "priority = 1"),
    ("jobs_prioritized_has_one", Status.PRIORITIZED, "priority = 0"),
    ("jobs_priority", Status.PRIORITIZED, f"priority = {PRIORITY_MAX + 1}"),
    ("jobs_priority", Status.DELAYED, "priority = -1"),
    ("jobs_lifo_is_ahead", Status.WAITING, "lifo = true"),
    ("jobs_leased_exactly_when_active", Status.ACTIVE, "lease_token = null"),
    ("jobs_leased_exactly_when_active", Status.ACTIVE, "leased_until = null"),
    ("jobs_leased_exactly_when_active", Status.WAITING, "leased_until = now()"),
    ("jobs_active_has_begun", Status.ACTIVE, "attempts_started = 0, processed_at = null"),
    ("jobs_processed_when_begun", Status.ACTIVE, "processed_at = null"),
    ("jobs_processed_when_begun", Status.WAITING, "processed_at = now()"),
    ("jobs_finished_exactly_when_final", Status.COMPLETED, "finished_at = null"),
    ("jobs_finished_exactly_when_final", Status.WAITING, "finished_at = now()"),
    ("jobs_result_exactly_when_completed", Status.COMPLETED, "result = null"),
    ("jobs_result_exactly_when_completed", Status.FAILED, "result = '1'"),
    ("jobs_failed_says_why", Status.FAILED, "failed_reason = null"),
    ("jobs_failed_code", Status.FAILED, "failed_code = 'odd'"),
    ("jobs_attempts", Status.WAITING, "attempts = 0"),
    ("jobs_attempts", Status.WAITING, f"attempts = {ATTEMPTS_MAX + 1}"),
    ("jobs_attempts_made", Status.WAITING, "attempts_made = 1"),
    ("jobs_attempts_made", Status.WAITING, "attempts_made = -1"),
    ("jobs_stalled_count", Status.WAITING, "stalled_count = 1"),
    ("jobs_stalled_count", Status.WAITING, "stalled_count = -1"),
    ("jobs_delay", Status.WAITING, "delay_ms = -1"),
    ("jobs_delay", Status.WAITING, f"delay_ms = {LONGEST_MS + 1}"),
    ("jobs_backoff", Status.WAITING, "backoff_type = 'fixed'"),
    ("jobs_backoff", Status.WAITING, "backoff_type = 'odd', backoff_delay_ms = 0, backoff_jitter = 0"),
    ("jobs_backoff", Status.WAITING, "backoff_type = 'fixed', backoff_delay_ms = -1, backoff_jitter = 0"),
    (
        "jobs_backoff",
        Status.WAITING,
        f"backoff_type = 'fixed', backoff_delay_ms = {LONGEST_MS + 1}, backoff_jitter = 0",
    ),
    ("jobs_backoff", Status.WAITING, "backoff_type = 'fixed', backoff_delay_ms = 0, backoff_jitter = 1.1"),
    ("jobs_timeout", Status.WAITING, "timeout_ms = 0"),
    ("jobs_timeout", Status.WAITING, f"timeout_ms = {LONGEST_MS + 1}"),
    ("jobs_stacks_kept", Status.WAITING, "stacks_kept = -1"),
    ("jobs_stacks_kept", Status.WAITING, f"stacks_kept = {STACKS_KEPT + 1}"),
    ("jobs_logs_kept", Status.WAITING, "logs_kept = -1"),
    ("jobs_logs_kept", Status.WAITING, f"logs_kept = {LOGS_MAX + 1}"),
    ("jobs_custom_id_form", Status.WAITING, "custom_id = '12'"),
    ("jobs_custom_id_form", Status.WAITING, "custom_id = ''"),
    ("jobs_custom_id_form", Status.WAITING, f"custom_id = repeat('x', {JOB_ID_MAX + 1})"),
    ("jobs_tags", Status.WAITING, "tags = '{}'"),
    ("jobs_tags", Status.WAITING, "tags = array_fill('x'::text, '{11}')"),
    ("jobs_tags", Status.WAITING, "tags = '{a,null}'"),
    ("jobs_tags", Status.WAITING, "tags = '{{a,b},{c,d}}'"),
    ("jobs_tags", Status.WAITING, "tags = '{{a}}'"),
    ("jobs_tags", Status.WAITING, "tags = '[0:1]={a,b}'"),
    ("jobs_tags", Status.WAITING, "tags = '[2:2]={a}'"),
    ("jobs_tags", Status.WAITING, "tags = array['a', '']"),
    ("jobs_tags", Status.WAITING, "tags = array[repeat('x', 101)]"),
    ("jobs_tags", Status.WAITING, "tags = array['a', repeat('x', 101)]"),
    ("jobs_start_by", Status.WAITING, "start_by = 0"),
    ("jobs_start_by", Status.WAITING, f"start_by = {START_BY_MAX + 1}"),
    ("jobs_queue", Status.WAITING, "queue = ''"),
    ("jobs_queue", Status.WAITING, f"queue = repeat('x', {QUEUE_NAME_MAX + 1})"),
    ("jobs_name", Status.WAITING, "name = ''"),
    ("jobs_name", Status.WAITING, f"name = repeat('x', {JOB_NAME_MAX + 1})"),
]
"""A rule, the status of a job, and a change of the job that breaks it."""


@pytest.mark.parametrize(("constraint", "status", "change"), IMPOSSIBLE)
def test_an_impossible_row_is_impossible(conn: Connection, constraint: str, status: Status, change: str) -> None:
    in_status(conn, status)
    with refused(constraint):
        conn.exec_driver_sql(f"update rowline.jobs set {change}")


@pytest.mark.parametrize("tags", ["array['x']", "array['a', 'a']", "array_fill(repeat('é', 100), '{10}')"])
def test_tags_up_to_their_bounds_are_stored(conn: Connection, tags: str) -> None:
    in_status(conn, Status.WAITING)
    assert conn.exec_driver_sql(f"update rowline.jobs set tags = {tags}").rowcount == 1


@pytest.mark.parametrize(("constraint", "status", "change"), IMPOSSIBLE)
def test_an_impossible_row_is_not_inserted_among_others(
    conn: Connection, constraint: str, status: Status, change: str
) -> None:
    in_status(conn, status)
    conn.exec_driver_sql("create temporary table one on commit drop as select * from rowline.jobs")
    conn.exec_driver_sql("delete from rowline.jobs")
    conn.exec_driver_sql("insert into one select (one).* from one cross join generate_series(2, 3)")
    conn.exec_driver_sql("update one set number = number + 1 where ctid = '(0,1)'")
    conn.exec_driver_sql(f"update one set number = number + 2, {change} where ctid = '(0,2)'")
    with refused(constraint):
        conn.exec_driver_sql("insert into rowline.jobs select * from one")


def test_one_impossible_row_of_many_that_a_statement_changes_refuses_all(conn: Connection) -> None:
    for _ in range(3):
        in_status(conn, Status.WAITING)
    with refused("jobs_attempts_made"), conn.begin_nested():
        last = "number = (select max(number) from rowline.jobs)"
        conn.exec_driver_sql(f"update rowline.jobs set progress = '1', attempts_made = ({last})::integer")
    assert not conn.exec_driver_sql("select from rowline.jobs where progress::text = '1'").all()


def test_a_table_of_the_session_is_not_looked_at_instead_of_what_is_written(conn: Connection) -> None:
    in_status(conn, Status.WAITING)
    conn.exec_driver_sql("create temporary table new_jobs on commit drop as select * from rowline.jobs")
    columns = "number, queue, name, status, priority, lifo, place, run_at, added_at, delay_ms, attempts, data, opts"
    values = columns.replace("number", "number + 1").replace("attempts", "0")
    with refused("jobs_attempts"), conn.begin_nested():
        conn.exec_driver_sql(f"insert into rowline.jobs ({columns}) select {values} from rowline.jobs")
    with refused("jobs_attempts_made"):
        conn.exec_driver_sql("update rowline.jobs set attempts_made = 1")


@contextlib.contextmanager
def refused(constraint: str) -> Iterator[None]:
    """Expect that a rule of that name is broken."""
    with pytest.raises(sqlalchemy.exc.IntegrityError) as caught:
        yield
    driver: Any = caught.value.orig
    assert isinstance(driver, psycopg.errors.CheckViolation)
    assert driver.diag.constraint_name == constraint
    assert (driver.diag.schema_name, driver.diag.table_name) == ("rowline", "jobs")


@pytest.mark.parametrize(
    "change",
    [
        f"attempts = {ATTEMPTS_MAX}, delay_ms = {LONGEST_MS}, timeout_ms = {LONGEST_MS}",
        f"stacks_kept = {STACKS_KEPT}, logs_kept = {LOGS_MAX}, lifo = true, place = -1",
        f"status = 'prioritized', priority = {PRIORITY_MAX}",
        f"custom_id = repeat('x', {JOB_ID_MAX}), name = repeat('ö', {JOB_NAME_MAX})",
        f"queue = repeat('ö', {QUEUE_NAME_MAX})",
        "tags = array_fill(repeat('ö', 100), '{10}')",
        f"start_by = {START_BY_MAX}",
        *(f"backoff_type = '{kind}', backoff_delay_ms = {LONGEST_MS}, backoff_jitter = 1" for kind in BackoffType),
    ],
)
def test_what_the_limits_allow_can_be_stored(conn: Connection, change: str) -> None:
    in_status(conn, Status.WAITING)
    assert conn.exec_driver_sql(f"update rowline.jobs set {change}").rowcount == 1


SETTING = "insert into rowline.queue_settings (queue) values (%(queue)s)"


@pytest.mark.parametrize("code", ["null", *(f"'{code}'" for code in (*FailedCode, "child_failed"))])
def test_a_failed_job_has_a_code_or_failed_by_the_release_before(conn: Connection, code: str) -> None:
    in_status(conn, Status.FAILED)
    assert conn.exec_driver_sql(f"update rowline.jobs set failed_code = {code}").rowcount == 1


@pytest.mark.parametrize("queue", ["", "ö" * (QUEUE_NAME_MAX + 1)])
def test_what_is_no_name_of_a_queue_sets_nothing(conn: Connection, queue: str) -> None:
    with pytest.raises(sqlalchemy.exc.IntegrityError, match="queue_settings_queue"):
        conn.exec_driver_sql(SETTING, {"queue": queue})


def test_a_queue_has_one_row_of_settings_and_its_bytes_tell_it_from_others(conn: Connection) -> None:
    for queue in ("ö" * QUEUE_NAME_MAX, "Q", "q"):
        conn.exec_driver_sql(SETTING, {"queue": queue})
    with pytest.raises(sqlalchemy.exc.IntegrityError, match="queue_settings_pkey"):
        conn.exec_driver_sql(SETTING, {"queue": "q"})
