"""Counts that are kept by those who change jobs. Stop every process of the release before: it would not keep them.

What it does to jobs after this is missing from the counts, which `rowline db recount` mends; everything else works.
Counts all jobs once, about a second for a million, and nobody changes jobs meanwhile.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
step = "stop"
oldest = "0005"

STATUSES = ("waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed")
COLUMNS = [status.replace("-", "_") for status in STATUSES]
NUMBERS = ", ".join(f"{column} bigint not null default 0" for column in COLUMNS)
DIFFERENCES = NUMBERS.replace("bigint", "integer")

COUNTS = f"""
create table rowline.job_counts (
    queue text collate "C" not null,
    {NUMBERS},
    constraint job_counts_pkey primary key (queue)
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
)
"""
DELTAS = f"""
create table rowline.job_deltas (
    queue text collate "C" not null,
    added_by bigint not null default (pg_current_xact_id()::text)::bigint,
    {DIFFERENCES}
) with (
    -- Rows live for a second. Its end is never given back: that takes a lock for which everybody would wait.
    vacuum_truncate = false,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000000
)
"""
FOLDS = """
create table rowline.job_folds (
    is_only boolean not null default true,
    folded_below bigint not null,
    in_flight bigint[] not null,
    constraint job_folds_pkey primary key (is_only),
    constraint job_folds_is_only check (is_only)
) with (
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
)
"""
COUNTED = ", ".join(f"count(*) filter (where status = '{status}')" for status in STATUSES)
FILL = f"""
insert into rowline.job_counts (queue, {", ".join(COLUMNS)})
select queue, {COUNTED} from rowline.jobs group by queue
"""  # noqa: S608 - words of ours


def upgrade() -> None:
    """Make the tables and count what is there, while nobody changes it."""
    op.execute("lock table rowline.jobs in share row exclusive mode")
    for table in (COUNTS, DELTAS, FOLDS):
        op.execute(table)
    op.execute("create index job_deltas_added_by on rowline.job_deltas (added_by, queue)")
    op.execute(FILL)
    op.execute("insert into rowline.job_folds (folded_below, in_flight) values (0, '{}')")


def downgrade() -> None:
    """Drop the tables: the release before counts by itself."""
    for table in ("job_counts", "job_deltas", "job_folds"):
        op.execute(f"drop table rowline.{table}")
