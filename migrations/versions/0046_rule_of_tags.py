"""The rule of tags as an expression: it is asked for each job with tags that is added. An expand step.

It accepts and refuses what it did. Nodes of the release before ask the same function.

Revision ID: 0046
Revises: 0045
"""

from pathlib import Path

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"


def upgrade() -> None:
    """Replace the function."""
    op.execute((SQL / "are_texts_4.sql").read_text())


def downgrade() -> None:
    """Put back the one that was there."""
    op.execute((SQL / "are_texts_3.sql").read_text())
    op.execute("drop function rowline.is_each_short_1(text[], integer)")
