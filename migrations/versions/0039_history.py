"""To which history of the database the ids of events belong, so that a restored backup is told. An expand step.

A node of the release before publishes events without looking at the history: then the next fold by a node of this
release tells of it. `rowline.enqueue` refuses ids of jobs that begin with `repeat:`, as POST does. Going down forgets
the history.

Revision ID: 0039
Revises: 0037
"""

from pathlib import Path

from alembic import op

revision = "0039"
down_revision = "0037"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"


def upgrade() -> None:
    """Add the column, which the next fold fills, and the function that it is compared with."""
    op.execute("alter table rowline.job_folds add column history text")
    op.execute((SQL / "history_1.sql").read_text())
    op.execute((SQL / "enqueue_9.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute((SQL / "enqueue_4.sql").read_text())
    op.execute("drop function rowline.history(oid)")
    op.execute("alter table rowline.job_folds drop column history")
