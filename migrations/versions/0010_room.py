"""Room in the pages of jobs for their next versions. An expand step: it changes where rows go from now on, and no row.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"


def upgrade() -> None:
    """Fill pages to half: each job is written two times more, and once it is claimed its first version can go."""
    op.execute("alter table rowline.jobs set (fillfactor = 50)")


def downgrade() -> None:
    """Fill pages again. Nothing is lost."""
    op.execute("alter table rowline.jobs reset (fillfactor)")
