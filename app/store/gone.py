"""What is remembered of jobs that went as they ended, so that who repeats its word hears that it was taken."""

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, PrimaryKeyConstraint, Table, text
from sqlalchemy.dialects.postgresql import UUID

from app.store.columns import NAME, WHEN, metadata

removed_jobs = Table(
    "removed_jobs",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("lease_token", UUID(as_uuid=False), nullable=False),
    Column("custom_id", NAME),
    Column("removed_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("outcome", NAME),  # of the attempt; null: it completed
    PrimaryKeyConstraint("number", "queue", name="removed_jobs_pkey"),
    Index("removed_jobs_custom_id", "queue", "custom_id", postgresql_where=text("custom_id is not null")),
)
"""Attempts that ended jobs which went then, for a quarter of an hour."""

removed_packs = Table(
    "removed_packs",
    metadata,
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("queue", NAME, nullable=False),
    Column("bucket", BigInteger, nullable=False),  # the numbers of the jobs, by 256
    Column("attempts", LargeBinary, nullable=False),  # `_fragments/unpacked.sql`
    Column("removed_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    PrimaryKeyConstraint("number", name="removed_packs_pkey"),
    Index("removed_packs_bucket", "bucket", "queue"),
)
"""The same of jobs without custom ids that went as they completed, up to 256 a row: folds make them of deltas."""
