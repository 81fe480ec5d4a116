"""Plans: many jobs that are looked up first and then removed, retried, changed; removals can be undone. An expand step.

A node of the release before does not work on plans, and counts jobs that come back as added. Going down takes away what
plans hold: removed jobs can no longer be restored then.

Revision ID: 0029
Revises: 0028
"""

from pathlib import Path

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
PLANS = """
create table rowline.plans (
    queue text collate "C" not null,
    id uuid not null,
    action text collate "C" not null,
    filter json not null,
    change json,
    status text collate "C" not null,
    until bigint not null,
    is_direct boolean not null,
    most bigint,
    at bigint not null default 0,
    matched bigint not null default 0,
    rate_per_s double precision,
    done bigint not null default 0,
    skipped json not null default '{}',
    undone bigint not null default 0,
    not_undone bigint not null default 0,
    created_at timestamptz not null default statement_timestamp(),
    created_by text collate "C" not null,
    planned_at timestamptz,
    applied_at timestamptz,
    ended_at timestamptz,
    reason text,
    next_at timestamptz,
    constraint plans_pkey primary key (id, queue),
    constraint plans_action check (action in ('remove', 'retry', 'promote', 'cancel', 'change', 'obliterate')),
    constraint plans_status check (
        status in (
            'planning', 'planned', 'queued', 'applying', 'applied', 'stopped', 'undoing', 'undone', 'expired', 'failed'
        )
    )
) with (
    -- Each step updates one row.
    autovacuum_vacuum_scale_factor = 0.05
)
"""
JOBS = """
create table rowline.plan_jobs (
    queue text collate "C" not null,
    plan uuid not null,
    number bigint not null,
    constraint plan_jobs_pkey primary key (plan, number, queue)
)
"""
REMOVED = """
create table rowline.plan_removed (
    like rowline.jobs,
    plan uuid not null,
    constraint plan_removed_pkey primary key (plan, number, queue)
)
"""


def upgrade() -> None:
    """Make the tables and a view of the plans."""
    op.execute(PLANS)
    op.execute("create index plans_created on rowline.plans (created_at, queue)")
    op.execute(
        "create index plans_unfinished on rowline.plans (queue, id) "
        "where status in ('planning', 'queued', 'applying', 'undoing', 'planned')"
    )
    op.execute(JOBS)
    op.execute(REMOVED)
    op.execute("alter table rowline.job_deltas add column is_restored boolean")
    op.execute((SQL / "plans_1.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.plans")
    op.execute("alter table rowline.job_deltas drop column is_restored")
    op.execute("drop table rowline.plan_removed")
    op.execute("drop table rowline.plan_jobs")
    op.execute("drop table rowline.plans")
