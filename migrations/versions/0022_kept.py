"""How long a job is kept once it has ended, by job and by endpoint; and what was removed then. An expand step.

Going down loses what jobs and endpoints say of it, so that the settings of their queues and of the service hold.

Revision ID: 0022
Revises: 0021
"""

from pathlib import Path

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
KINDS = ("whole", "flag", "id", "texts", "backoff", "planned")
COLUMNS = ("remove_on_complete", "remove_on_fail")
OPTIONS = """
update rowline.job_options
set kind = 'kept', high = 2147483647,
    field = case name when 'removeOnFail' then 'remove_on_fail' else 'remove_on_complete' end
where name in ('removeOnComplete', 'removeOnFail')
"""
NO_OPTIONS = """
update rowline.job_options set kind = 'planned', high = 0, field = null
where name in ('removeOnComplete', 'removeOnFail')
"""
REMOVED = """
create table if not exists rowline.removed_jobs (
    queue text collate "C" not null,
    number bigint not null,
    lease_token uuid not null,
    custom_id text collate "C",
    removed_at timestamptz not null default statement_timestamp(),
    constraint removed_jobs_pkey primary key (number, queue)
) with (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000
)
"""
BY_CUSTOM_ID = """
create index if not exists removed_jobs_custom_id on rowline.removed_jobs (queue, custom_id) where custom_id is not null
"""
INDEX = """
create index concurrently jobs_kept on rowline.jobs (queue, status, number)
where (case status when 'completed' then remove_on_complete when 'failed' then remove_on_fail end)::text <> 'false'
"""


def _kinds(kinds: tuple[str, ...]) -> None:
    """Say which kinds of options there are: the table has fewer than a hundred rows."""
    words = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute("alter table rowline.job_options drop constraint if exists job_options_kind")
    op.execute(f"alter table rowline.job_options add constraint job_options_kind check (kind in ({words}))")


def upgrade() -> None:
    """Add the columns, which no row has to be read or written for, the options and the index."""
    for table in ("jobs", "endpoints"):
        added = ", ".join(f"add column if not exists {column} json" for column in COLUMNS)
        op.execute(f"alter table rowline.{table} {added}")
    op.execute(REMOVED)
    op.execute(BY_CUSTOM_ID)
    op.execute((SQL / "rowline" / "enqueue_4.sql").read_text())
    op.execute("revoke execute on function rowline.enqueue_kept(json, text, bigint) from public")
    _kinds((*KINDS[:-1], "kept", KINDS[-1]))
    op.execute(OPTIONS)
    op.execute((SQL / "report" / "retention_3.sql").read_text())
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        op.execute("drop index concurrently if exists rowline.jobs_kept")  # one that was left unfinished
        op.execute(INDEX)


def downgrade() -> None:
    """Take them away again."""
    op.execute("drop index rowline.jobs_kept")
    op.execute((SQL / "report" / "retention_2.sql").read_text())
    op.execute(NO_OPTIONS)
    _kinds(KINDS)
    op.execute((SQL / "rowline" / "enqueue_3.sql").read_text())
    op.execute("drop function rowline.enqueue_kept(json, text, bigint)")
    op.execute("drop table rowline.removed_jobs")
    for table in ("endpoints", "jobs"):
        op.execute(f"alter table rowline.{table} drop column remove_on_complete, drop column remove_on_fail")
