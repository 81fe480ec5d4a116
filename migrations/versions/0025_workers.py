"""Which workers processes of the service have seen lately, on which queue, and how busy they are. An expand step.

A node of the release before does not write: its workers are missing until it is upgraded. Going down drops the table,
which has nothing older than some minutes.

Revision ID: 0025
Revises: 0024
"""

from pathlib import Path

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
WORKERS = """
create table rowline.queue_workers (
    queue text collate "C" not null,
    worker text collate "C" not null,
    process uuid not null,
    way text collate "C" not null,
    slots integer not null,
    busy integer not null,
    seen_at timestamptz not null,
    constraint queue_workers_pkey primary key (queue, worker, process),
    constraint queue_workers_way check (way in ('python', 'pull', 'push')),
    constraint queue_workers_slots check (slots >= 0 and busy >= 0)
) with (
    -- Each row is updated four times a minute.
    autovacuum_vacuum_scale_factor = 0.05
)
"""


def upgrade() -> None:
    """Make the table and a view of it."""
    op.execute(WORKERS)
    op.execute("create index queue_workers_seen on rowline.queue_workers (seen_at)")
    op.execute((SQL / "queue_workers_1.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.queue_workers")
    op.execute("drop table rowline.queue_workers")
