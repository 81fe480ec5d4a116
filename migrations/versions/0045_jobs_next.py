"""The line of each queue, and its delayed jobs, by indexes that no other can stand in for. An expand step.

They are made while jobs are added and worked. Their conditions are written so that the statements that walk them are
planned through no other index, whatever the statistics say (decision 94). jobs_ready and jobs_delayed stay for nodes of
the release before, and for the views report.queues, report.attention and report.arrivals, which have to say the new
conditions before a contract step drops them. Going down loses nothing; nodes of this release have to be stopped before,
since each of their claims would read the jobs of its queue by their numbers then.

Revision ID: 0045
Revises: 0044
"""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

INDEXES = {
    "jobs_next": "(queue, priority, place) where '' || status in ('waiting', 'prioritized')",
    "jobs_later": "(queue, run_at) where '' || status || '' = 'delayed'",
}


def upgrade() -> None:
    """Make the indexes, in transactions of their own. Killed in between, it can run again."""
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        for name, what in INDEXES.items():
            op.execute(f"drop index concurrently if exists rowline.{name}")  # one that was left unfinished
            op.execute(f"create index concurrently {name} on rowline.jobs {what}")


def downgrade() -> None:
    """Drop the indexes."""
    for name in INDEXES:
        op.execute(f"drop index rowline.{name}")
