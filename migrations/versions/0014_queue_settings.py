"""A row for a queue that sets something. An expand step: the release before does not look at the table.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

TABLE = """
create table rowline.queue_settings (
    queue text collate "C" not null,
    constraint queue_settings_pkey primary key (queue),
    constraint queue_settings_queue check (char_length(queue) between 1 and 100)
)
"""


def upgrade() -> None:
    """Make the table, which nothing reads yet: each setting is a column that comes with it."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drop the table: nothing is lost, as no release writes to it without the columns of a later revision."""
    op.execute("drop table rowline.queue_settings")
