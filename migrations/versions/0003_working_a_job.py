"""Attempts, logs, time-outs and cancelling. An expand step: the release before writes what the new checks allow.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0001"

COLUMNS = """
alter table rowline.jobs
    add column if not exists timeout_ms bigint,
    add column if not exists stacks_kept integer,
    add column if not exists logs_kept integer,
    add column if not exists cancel_requested_at timestamptz
"""
CHECKS = {
    "jobs_timeout": "timeout_ms between 1 and 316224000000",
    "jobs_stacks_kept": "stacks_kept between 0 and 100",
    "jobs_logs_kept": "logs_kept between 0 and 1000000",
    "jobs_leased_exactly_when_active": (
        "(status = 'active') = (leased_until is not null) and (status <> 'active' or lease_token is not null)"
    ),
}
ATTEMPTS = """
create table if not exists rowline.attempts (
    queue text collate "C" not null,
    number bigint not null,
    nth integer not null,
    worker text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    outcome text collate "C" not null,
    reason text,
    constraint attempts_pkey primary key (number, queue, nth),
    constraint attempts_nth check (nth >= 1),
    constraint attempts_outcome check (outcome in ('failed', 'released', 'stalled', 'timed-out', 'cancelled'))
)
"""
LOGS = """
create table if not exists rowline.logs (
    queue text collate "C" not null,
    number bigint not null,
    line_number bigint not null default nextval('rowline.log_line_numbers'),
    line text not null,
    logged_at timestamptz not null default statement_timestamp(),
    constraint logs_pkey primary key (number, queue, line_number)
)
"""


def upgrade() -> None:
    """Add what is new; a job keeps the token of its last lease from now on, so the check on tokens is loosened.

    What is there already is no reason to stop: it may be from a run that was killed among the validations.
    """
    op.execute(COLUMNS)
    for name, condition in CHECKS.items():
        op.execute(f"alter table rowline.jobs drop constraint if exists {name}")
        op.execute(f"alter table rowline.jobs add constraint {name} check ({condition}) not valid")
    op.execute("alter table rowline.jobs drop constraint if exists jobs_lease_exactly_when_active")
    op.execute(ATTEMPTS)
    op.execute("create sequence if not exists rowline.log_line_numbers as bigint")
    op.execute(LOGS)
    with op.get_context().autocommit_block():  # they read all jobs, and must not hold the locks from above meanwhile
        op.execute("set statement_timeout = '1h'")
        for name in CHECKS:
            op.execute(f"alter table rowline.jobs validate constraint {name}")


def downgrade() -> None:
    """Drop the tables with what is in them, and the tokens of leases that are over."""
    op.execute("drop table rowline.logs")
    op.execute("drop sequence rowline.log_line_numbers")
    op.execute("drop table rowline.attempts")
    op.execute("update rowline.jobs set lease_token = null where status <> 'active' and lease_token is not null")
    op.execute(
        "alter table rowline.jobs add constraint jobs_lease_exactly_when_active check "
        "((status = 'active') = (lease_token is not null) and (status = 'active') = (leased_until is not null))"
    )
    for name in CHECKS:
        op.execute(f"alter table rowline.jobs drop constraint {name}")
    for column in ("timeout_ms", "stacks_kept", "logs_kept", "cancel_requested_at"):
        op.execute(f"alter table rowline.jobs drop column {column}")
