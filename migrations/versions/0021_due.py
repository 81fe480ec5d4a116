"""Due jobs of all queues by one probe: an index on the time at which delayed jobs are due. An expand step.

It is made while jobs are added and worked. Its condition is written so that no statement of one queue can be planned
through this index, which holds the delayed jobs of all queues. Going down loses nothing.

Revision ID: 0021
Revises: 0020
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"


def upgrade() -> None:
    """Make the index, in transactions of its own. Killed in between, it can run again."""
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        op.execute("drop index concurrently if exists rowline.jobs_due")  # one that was left unfinished
        op.execute("create index concurrently jobs_due on rowline.jobs (run_at, number) where '' || status = 'delayed'")


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index rowline.jobs_due")
