"""Deduplication ids: who holds one, until when, and what is stored to follow. An expand step.

A node of the release before refuses the option by name, works on jobs that hold ids, and adds none that are stored to
follow: they wait for a node of this release. Going down lets go of all ids; what is stored to follow is lost.

Revision ID: 0033
Revises: 0032
"""

from pathlib import Path

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
DEDUPLICATIONS = """
create table rowline.deduplications (
    queue text collate "C" not null,
    dedup_id text collate "C" not null,
    number bigint,
    job_id text collate "C",
    expires_at timestamptz,
    stored json,
    constraint deduplications_pkey primary key (queue, dedup_id),
    constraint deduplications_holder check ((number is null) = (job_id is null))
) with (
    -- The same rows are written again and again.
    autovacuum_vacuum_scale_factor = 0.05
)
"""


def upgrade() -> None:
    """Make the table, and a view of what is held."""
    op.execute(DEDUPLICATIONS)
    op.execute(
        "create index deduplications_stored on rowline.deduplications (queue, dedup_id) where stored is not null"
    )
    op.execute((SQL / "deduplications_1.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.deduplications")
    op.execute("drop table rowline.deduplications")
