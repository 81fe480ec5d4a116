"""How a job ended that was removed then; and more of endpoints and queues in their reports. An expand step.

A node of the release before takes all of these for completed: who failed such a job, and says then that it completed,
is told yes. Going down makes the views anew: `rowline db roles --apply` gives the roles their rights on them back. What
is remembered of jobs that failed is lost.

Revision ID: 0030
Revises: 0029
"""

from pathlib import Path

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"


def upgrade() -> None:
    """Add the column, which no row has to be written for, and those of the views."""
    op.execute('alter table rowline.removed_jobs add column outcome text collate "C"')
    for view in ("endpoints_2", "queues_5"):
        op.execute((SQL / f"{view}.sql").read_text())


def downgrade() -> None:
    """Take them away again."""
    for name, view in (("endpoints", "endpoints_1"), ("queues", "queues_4")):
        op.execute(f"drop view report.{name}")
        op.execute((SQL / f"{view}.sql").read_text())
    op.execute("delete from rowline.removed_jobs where outcome is not null")
    op.execute("alter table rowline.removed_jobs drop column outcome")
