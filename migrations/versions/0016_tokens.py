"""API tokens and the audit, with their reports. An expand step: the release before looks at neither.

Going down loses both, so that every token but those of AUTH_TOKENS is refused.

Revision ID: 0016
Revises: 0015
"""

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
TOKENS = """
create table rowline.tokens (
    id text collate "C" not null,
    name text not null,
    scopes text[] collate "C" not null,
    digest bytea not null,
    next_digest bytea,
    requests_per_s integer,
    jobs_per_s integer,
    waiting_jobs integer,
    created_at timestamptz not null default statement_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    constraint tokens_pkey primary key (id),
    constraint tokens_id check (id ~ '^[0-9A-Za-z]{8}$'),
    constraint tokens_name check (char_length(name) between 1 and 100),
    constraint tokens_scopes check (cardinality(scopes) between 1 and 100),
    constraint tokens_digest check (octet_length(digest) = 32 and octet_length(next_digest) = 32),
    constraint tokens_limits check (
        requests_per_s between 1 and 1000000000 and jobs_per_s between 1 and 1000000000
        and waiting_jobs between 1 and 1000000000
    )
)
"""
CHANGES = """
create table rowline.token_changes (
    is_only boolean not null default true,
    mark uuid not null default gen_random_uuid(),
    constraint token_changes_pkey primary key (is_only),
    constraint token_changes_is_only check (is_only)
)
"""
AUDIT = """
create table rowline.audit (
    number bigint generated always as identity,
    at timestamptz not null default statement_timestamp(),
    actor text collate "C" not null,
    actor_name text,
    address text collate "C",
    request_id text collate "C",
    action text collate "C" not null,
    queue text collate "C",
    target text collate "C",
    affected bigint not null default 1,
    before json,
    after json,
    outcome text collate "C" not null default 'done',
    constraint audit_pkey primary key (number, at),
    constraint audit_outcome check (outcome in ('done', 'refused')),
    constraint audit_at check (isfinite(at))
) partition by range (at)
"""


def upgrade() -> None:
    """Make the tables, the partitions of the audit and what makes further ones, and the views."""
    for statement in (TOKENS, CHANGES, AUDIT):
        op.execute(statement)
    op.execute((SQL / "rowline" / "audit_partitions_1.sql").read_text())
    op.execute("revoke execute on function rowline.audit_partitions() from public")
    op.execute("select rowline.audit_partitions()")
    for view in ("tokens", "audit"):
        op.execute((SQL / "report" / f"{view}_1.sql").read_text())


def downgrade() -> None:
    """Drop them."""
    op.execute("drop view report.audit")
    op.execute("drop view report.tokens")
    op.execute("drop table rowline.audit")
    op.execute("drop function rowline.audit_partitions()")
    op.execute("drop table rowline.token_changes")
    op.execute("drop table rowline.tokens")
