"""What completed and went is told by the delta, and kept in packs by the fold. An expand step.

A node of the release before looks for no packs, and folds what others told without keeping it: until the last of them
has ended, who repeats its word of a job that went as it completed may hear that there is no such job.

Revision ID: 0047
Revises: 0046
"""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

PACKS = """
create table rowline.removed_packs (
    number bigint generated always as identity,
    queue text collate "C" not null,
    bucket bigint not null,
    attempts bytea not null,
    removed_at timestamptz not null default statement_timestamp(),
    constraint removed_packs_pkey primary key (number)
) with (
    toast_tuple_target = 8160,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000
)
"""


def upgrade() -> None:
    """Widen the deltas, and make the table. Tokens are random: to compress them would take time and save nothing."""
    op.execute("alter table rowline.job_deltas add column removed bytea")
    op.execute(PACKS)
    op.execute("alter table rowline.removed_packs alter column attempts set storage external")
    op.execute("create index removed_packs_bucket on rowline.removed_packs (bucket, queue)")


def downgrade() -> None:
    """Take them away: nothing remembers these jobs then."""
    op.execute("drop table rowline.removed_packs")
    op.execute("alter table rowline.job_deltas drop column removed")
