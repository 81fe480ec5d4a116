"""Schedules: when they tick, the job of each tick, and how far they are. An expand step.

A node of the release before makes no ticks, also while it makes the rounds for all: so the first schedule is refused
while one is connected, and keeps such nodes out. Going down forgets all schedules; the jobs of their ticks stay.

Revision ID: 0034
Revises: 0033
"""

from pathlib import Path

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
SCHEDULES = """
create table rowline.schedules (
    queue text collate "C" not null,
    id text collate "C" not null,
    every_ms bigint,
    offset_ms bigint,
    pattern text collate "C",
    tz text collate "C",
    starts_at bigint,
    ends_at bigint,
    tick_limit bigint,
    jitter_ms bigint not null,
    misfire text collate "C" not null,
    overlap text collate "C" not null,
    name text collate "C" not null,
    data json not null,
    data_bytes bigint not null,
    opts json not null,
    options json not null,
    next_at bigint,
    ticks bigint not null default 0,
    skipped bigint not null default 0,
    last_tick_at bigint,
    last_number bigint,
    last_job_id text collate "C",
    paused_at timestamptz,
    created_at timestamptz not null default statement_timestamp(),
    created_by text collate "C" not null,
    changed_at timestamptz,
    constraint schedules_pkey primary key (queue, id),
    constraint schedules_timing check ((every_ms is null) <> (pattern is null))
) with (
    -- The same rows are written again and again.
    autovacuum_vacuum_scale_factor = 0.05
)
"""
DUE = """
create index schedules_due on rowline.schedules (next_at, queue, id) where next_at is not null and paused_at is null
"""


def upgrade() -> None:
    """Make the table, and a view of it."""
    op.execute(SCHEDULES)
    op.execute(DUE)
    op.execute((SQL / "schedules_1.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.schedules")
    op.execute("drop table rowline.schedules")
