"""The rule of tags is not asked of a job that has none. An expand step.

It accepts and refuses what it did. Nodes of the release before ask the same function.

Revision ID: 0049
Revises: 0048
"""

from pathlib import Path

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"


def upgrade() -> None:
    """Have the function not called for null."""
    op.execute((SQL / "are_texts_5.sql").read_text())


def downgrade() -> None:
    """Have it called again."""
    op.execute("alter function rowline.are_texts_1(text[], integer, integer) called on null input")
