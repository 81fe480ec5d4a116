"""Answers that were given under an Idempotency-Key. An expand step: the release before does not look at the table.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0001"

TABLE = """
create table rowline.idempotency_keys (
    queue text collate "C" not null,
    token_digest bytea not null,
    key text collate "C" not null,
    body_digest bytea not null,
    answer text not null,
    answered_at timestamptz not null default statement_timestamp(),
    constraint idempotency_keys_pkey primary key (queue, token_digest, key),
    constraint idempotency_keys_queue check (char_length(queue) between 1 and 100),
    constraint idempotency_keys_token_digest check (octet_length(token_digest) = 32),
    constraint idempotency_keys_key check (char_length(key) between 1 and 255),
    constraint idempotency_keys_body_digest check (octet_length(body_digest) = 32)
)
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(TABLE)
    op.execute("create index idempotency_keys_answered on rowline.idempotency_keys (answered_at)")


def downgrade() -> None:
    """Drop the table: keys that were used can be used once more."""
    op.execute("drop table rowline.idempotency_keys")
