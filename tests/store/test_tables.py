"""The table that migrations make is the table that the code describes, and impossible rows are impossible."""

from typing import Any

import psycopg
import pytest
import sqlalchemy

from app.domain.states import Status
from app.infra import database
from app.infra.database import Connection
from app.store.tables import metadata
from tests.support import databases
from tests.support.jobs import in_status

TABLES = """
with tables as (
    select oid, relname from pg_class
    where relnamespace = 'rowline'::regnamespace and relkind = 'r' and relname <> 'alembic_version'
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
        engine = database.engine(url, {}, poolclass=sqlalchemy.NullPool)
        metadata.create_all(engine)
        assert shape(url) == shape(shared_url)


@pytest.mark.parametrize(
    ("constraint", "status", "change"),
    [
        ("jobs_status", Status.WAITING, "status = 'done'"),
        ("jobs_waiting_has_no_priority", Status.WAITING, "priority = 1"),
        ("jobs_prioritized_has_one", Status.PRIORITIZED, "priority = 0"),
        ("jobs_priority", Status.PRIORITIZED, "priority = 2097153"),
        ("jobs_lifo_is_ahead", Status.WAITING, "lifo = true"),
        ("jobs_leased_exactly_when_active", Status.ACTIVE, "lease_token = null"),
        ("jobs_leased_exactly_when_active", Status.WAITING, "leased_until = now()"),
        ("jobs_finished_exactly_when_final", Status.COMPLETED, "finished_at = null"),
        ("jobs_finished_exactly_when_final", Status.WAITING, "finished_at = now()"),
        ("jobs_result_exactly_when_completed", Status.COMPLETED, "result = null"),
        ("jobs_result_exactly_when_completed", Status.FAILED, "result = '1'"),
        ("jobs_failed_says_why", Status.FAILED, "failed_reason = null"),
        ("jobs_attempts_made", Status.WAITING, "attempts_made = 1"),
        ("jobs_attempts", Status.WAITING, "attempts = 0"),
        ("jobs_processed_when_begun", Status.ACTIVE, "processed_at = null"),
        ("jobs_delay", Status.WAITING, "delay_ms = -1"),
        ("jobs_backoff", Status.WAITING, "backoff_type = 'fixed'"),
        ("jobs_custom_id_form", Status.WAITING, "custom_id = '12'"),
        ("jobs_queue", Status.WAITING, "queue = ''"),
        ("jobs_name", Status.WAITING, "name = ''"),
    ],
)
def test_an_impossible_row_is_impossible(conn: Connection, constraint: str, status: Status, change: str) -> None:
    in_status(conn, status)
    with pytest.raises(sqlalchemy.exc.IntegrityError) as caught:
        conn.exec_driver_sql(f"update rowline.jobs set {change}")
    driver: Any = caught.value.orig
    assert driver.diag.constraint_name == constraint
