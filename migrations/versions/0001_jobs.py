"""The jobs table.

Revision ID: 0001
Revises:
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
step = "expand"
oldest = "0001"

TABLE = """
create table rowline.jobs (
    queue text collate "C" not null,
    number bigint not null,
    custom_id text collate "C",
    name text collate "C" not null,
    status text collate "C" not null,
    priority integer not null,
    lifo boolean not null,
    place bigint not null,
    run_at timestamptz not null,
    added_at timestamptz not null,
    delay_ms bigint not null,
    attempts integer not null,
    attempts_made integer not null default 0,
    attempts_started integer not null default 0,
    stalled_count integer not null default 0,
    backoff_type text collate "C",
    backoff_delay_ms bigint,
    backoff_jitter real,
    lease_token uuid,
    leased_until timestamptz,
    processed_at timestamptz,
    processed_by text,
    finished_at timestamptz,
    failed_reason text,
    stacktrace text[] not null default '{}',
    data json not null,
    opts json not null,
    progress json not null default '0',
    result json,
    constraint jobs_pkey primary key (number, queue),
    constraint jobs_queue check (char_length(queue) between 1 and 100),
    constraint jobs_name check (char_length(name) between 1 and 255),
    constraint jobs_custom_id_form check (char_length(custom_id) between 1 and 255 and custom_id !~ '^[0-9]+$'),
    constraint jobs_status check (
        status in ('waiting', 'prioritized', 'delayed', 'active', 'waiting-children', 'completed', 'failed')
    ),
    constraint jobs_priority check (priority between 0 and 2097152),
    constraint jobs_waiting_has_no_priority check (status <> 'waiting' or priority = 0),
    constraint jobs_prioritized_has_one check (status <> 'prioritized' or priority > 0),
    constraint jobs_lifo_is_ahead check (not lifo or place < 0),
    constraint jobs_delay check (delay_ms between 0 and 316224000000),
    constraint jobs_attempts check (attempts between 1 and 1000),
    constraint jobs_attempts_made check (attempts_made between 0 and attempts_started),
    constraint jobs_stalled_count check (stalled_count between 0 and attempts_started),
    constraint jobs_backoff check (
        num_nulls(backoff_type, backoff_delay_ms, backoff_jitter) in (0, 3)
        and backoff_type in ('fixed', 'linear', 'exponential')
        and backoff_delay_ms between 0 and 316224000000
        and backoff_jitter between 0 and 1
    ),
    constraint jobs_lease_exactly_when_active check (
        (status = 'active') = (lease_token is not null) and (status = 'active') = (leased_until is not null)
    ),
    constraint jobs_active_has_begun check (status <> 'active' or attempts_started > 0),
    constraint jobs_processed_when_begun check ((attempts_started > 0) = (processed_at is not null)),
    constraint jobs_finished_exactly_when_final check (
        (status in ('completed', 'failed')) = (finished_at is not null)
    ),
    constraint jobs_result_exactly_when_completed check ((status = 'completed') = (result is not null)),
    constraint jobs_failed_says_why check (status <> 'failed' or failed_reason is not null)
) with (
    -- A queue's table lives on its head: clean up by the number of dead rows, not by the share of a large table.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
)
"""

INDEXES = (
    "create unique index jobs_custom_id on rowline.jobs (queue, custom_id) where custom_id is not null",
    "create index jobs_ready on rowline.jobs (queue, priority, place) where status in ('waiting', 'prioritized')",
    "create index jobs_delayed on rowline.jobs (queue, run_at) where status = 'delayed'",
    "create index jobs_active on rowline.jobs (queue, number) where status = 'active'",
    "create index jobs_listed on rowline.jobs (queue, status, number) where status <> 'active'",
)


def upgrade() -> None:
    op.execute("create sequence rowline.job_numbers as bigint")
    op.execute(TABLE)
    for index in INDEXES:
        op.execute(index)


def downgrade() -> None:
    op.execute("drop table rowline.jobs")
    op.execute("drop sequence rowline.job_numbers")
