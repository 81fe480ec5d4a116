"""Fingerprints of failures: what failed jobs have in common, and a view of the groups. An expand step.

A node of the release before fails jobs without one, and leaves that of a job it retries. The maintenance of this one
fills in what is missing in the background, of all jobs that had failed before too. Going down loses nothing else.

Revision ID: 0032
Revises: 0031
"""

from pathlib import Path

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
GROUPS = """
create index concurrently jobs_fingerprint on rowline.jobs (queue, fingerprint, number) include (finished_at)
where fingerprint is not null and '' || status = 'failed'
"""
MISSING = """
create index concurrently jobs_unprinted on rowline.jobs (queue, number)
where failed_reason is not null and fingerprint is null and '' || status = 'failed'
"""


def upgrade() -> None:
    """Add the column, which no row has to be written for, the view, and two indexes, beside the work."""
    for table in ("jobs", "plan_removed"):
        op.execute(f'alter table rowline.{table} add column if not exists fingerprint text collate "C"')
    op.execute((SQL / "failure_groups_1.sql").read_text())
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        op.execute("drop index concurrently if exists rowline.jobs_fingerprint")
        op.execute(GROUPS)
        op.execute("drop index concurrently if exists rowline.jobs_unprinted")
        op.execute(MISSING)


def downgrade() -> None:
    """Take them away; the indexes go with the column."""
    op.execute("drop view report.failure_groups")
    for table in ("jobs", "plan_removed"):
        op.execute(f"alter table rowline.{table} drop column fingerprint")
