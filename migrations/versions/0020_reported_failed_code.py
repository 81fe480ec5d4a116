"""Why a job has failed, as a word, in report.jobs. An expand step.

Going down makes the view anew: `rowline db roles --apply` gives the roles their rights on it back.

Revision ID: 0020
Revises: 0019
"""

from pathlib import Path

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"


def upgrade() -> None:
    """Add the column to the view."""
    op.execute((SQL / "jobs_3.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    op.execute("drop view report.jobs")
    op.execute((SQL / "jobs_2.sql").read_text())
