"""The schema `report`: views that people may rely on, and the indexes that they read. An expand step.

The indexes are made while jobs are added and worked, in a minute for ten million jobs. A new version of a view is a new
file below `migrations/sql`, made by a new revision.

Revision ID: 0006
Revises: 0005
"""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
VIEWS = (
    *("version", "jobs", "attempts", "logs", "counts", "queues", "throughput", "latency", "arrivals", "failures"),
    *("workers", "endpoints", "retention", "storage", "attention"),
)
INDEXES = {
    "jobs_finished": "rowline.jobs (finished_at) where finished_at is not null",
    "jobs_failed": "rowline.jobs (finished_at) where status = 'failed'",
    "attempts_ended": "rowline.attempts (ended_at)",
}


def upgrade() -> None:
    """Make the indexes, in transactions of their own, then the views. Killed in between, it can run again."""
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        for name, columns in INDEXES.items():
            op.execute(f"drop index concurrently if exists rowline.{name}")  # one that was left unfinished
            op.execute(f"create index concurrently {name} on {columns}")
    op.execute("create schema if not exists report")
    op.execute("comment on schema report is 'Views for people and their tools; reports.md of the docs describes them.'")
    for view in VIEWS:
        op.execute((SQL / f"{view}_1.sql").read_text())


def downgrade() -> None:
    """Drop the views and the indexes. The schema stays, as `rowline` does: what roles may do there belongs to it."""
    for view in reversed(VIEWS):
        op.execute(f"drop view report.{view}")
    op.execute("drop function report.fingerprint")
    for name in INDEXES:
        op.execute(f"drop index rowline.{name}")
