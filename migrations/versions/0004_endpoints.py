"""Endpoints that jobs are sent to. An expand step: the release before does not look at the table.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0001"

TABLE = """
create table rowline.endpoints (
    queue text collate "C" not null,
    url text not null,
    method text collate "C" not null,
    headers bytea not null,
    secrets bytea not null,
    timeout_ms integer not null,
    concurrency integer not null,
    limiter_max integer,
    limiter_ms integer,
    max_stalled_count integer,
    window_started_at timestamptz,
    window_count integer not null default 0,
    paused_until timestamptz,
    registered_at timestamptz not null default statement_timestamp(),
    revision uuid not null default gen_random_uuid(),
    switched_off_at timestamptz,
    switched_off_reason text,
    constraint endpoints_pkey primary key (queue),
    constraint endpoints_queue check (char_length(queue) between 1 and 100),
    constraint endpoints_url check (char_length(url) between 1 and 2048),
    constraint endpoints_method check (method in ('POST', 'PUT', 'PATCH')),
    constraint endpoints_timeout check (timeout_ms between 1 and 600000),
    constraint endpoints_concurrency check (concurrency between 1 and 1000),
    constraint endpoints_limiter check (
        num_nulls(limiter_max, limiter_ms) in (0, 2) and limiter_max between 1 and 1000000
        and limiter_ms between 1 and 86400000
    ),
    constraint endpoints_max_stalled_count check (max_stalled_count between 1 and 1000),
    constraint endpoints_window check (window_count >= 0),
    constraint endpoints_switched_off_says_why check (num_nulls(switched_off_at, switched_off_reason) in (0, 2))
)
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drop the table: no queue has an endpoint any more, their jobs stay."""
    op.execute("drop table rowline.endpoints")
