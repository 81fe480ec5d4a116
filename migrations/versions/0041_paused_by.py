"""Who paused a schedule. An expand step.

Of pauses that are there it is not known. What a node of the release before pauses says nobody, or, if this release
had paused it before and that one resumed it, who did so then: until all nodes are of this release, the audit says it.
Going down forgets it.

Revision ID: 0041
Revises: 0040
"""

from pathlib import Path

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"


def upgrade() -> None:
    """Add the column, to the report too."""
    op.execute('alter table rowline.schedules add column paused_by text collate "C"')
    op.execute((SQL / "schedules_2.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.schedules")
    op.execute((SQL / "schedules_1.sql").read_text())
    op.execute("alter table rowline.schedules drop column paused_by")
