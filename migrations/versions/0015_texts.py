"""The CHECK of options that are texts costs nothing where there are none. An expand step; going down loses nothing.

Revision ID: 0015
Revises: 0014
"""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"


def upgrade() -> None:
    """Write the function in another language. No table is locked, and no row is read."""
    op.execute((SQL / "are_texts_2.sql").read_text())


def downgrade() -> None:
    """Write it as before."""
    op.execute((SQL / "are_texts_1.sql").read_text())
