"""Sessions of the dashboard, and the codes of links that sign in. An expand step.

A node of the release before has no dashboard. Going down ends all sessions.

Revision ID: 0040
Revises: 0037
"""

from alembic import op

revision = "0040"
down_revision = "0037"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SESSIONS = """
create table rowline.sessions (
    digest bytea not null,
    token_id text collate "C" not null,
    token_digest bytea not null,
    address text collate "C",
    began_at timestamptz not null default statement_timestamp(),
    seen_at timestamptz not null default statement_timestamp(),
    constraint sessions_pkey primary key (digest),
    constraint sessions_digest check (octet_length(digest) = 32 and octet_length(token_digest) = 32)
)
"""
CODES = """
create table rowline.sign_in_codes (
    digest bytea not null,
    made_at timestamptz not null default statement_timestamp(),
    constraint sign_in_codes_pkey primary key (digest),
    constraint sign_in_codes_digest check (octet_length(digest) = 32)
)
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(SESSIONS)
    op.execute(CODES)


def downgrade() -> None:
    """Take them away."""
    op.execute("drop table rowline.sessions, rowline.sign_in_codes")
