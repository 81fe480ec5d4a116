"""Months of reports within a second: an index that counts by itself, and a view in cheaper words. An expand step.

`jobs_ended` takes the place of `jobs_finished`: what the release before asks is answered by either.
It is made while jobs are added and worked, in a minute for ten million jobs. The view has the columns that it had.

Revision ID: 0008
Revises: 0007
"""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"


def _swap(*, made: str, columns: str, gone: str) -> None:
    """Make one index, then drop the other, so that the views have one of them at any time.

    Queue and status are keys, not INCLUDE: only so do jobs that completed together share an entry.
    """
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        op.execute(f"drop index concurrently if exists rowline.{made}")  # one that was left unfinished
        op.execute(f"create index concurrently {made} on rowline.jobs ({columns}) where finished_at is not null")
        op.execute(f"drop index concurrently if exists rowline.{gone}")


def upgrade() -> None:
    """Replace the view, which can be done twice, and the index."""
    op.execute((SQL / "latency_2.sql").read_text())
    _swap(made="jobs_ended", columns="finished_at, queue, status", gone="jobs_finished")


def downgrade() -> None:
    """Bring back the view and the index as they were. Nothing is lost."""
    op.execute((SQL / "latency_1.sql").read_text())
    _swap(made="jobs_finished", columns="finished_at", gone="jobs_ended")
