"""Whether an endpoint is sent what earlier attempts left of its jobs. An expand step.

It is, if it was registered before: then nothing was said of that. A dispatcher of the release before sends it to all,
and a node of the release before that replaces an endpoint leaves what was said. Going down, all endpoints are sent it.

Revision ID: 0028
Revises: 0027
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"


def upgrade() -> None:
    """Add the column, which no row has to be written for."""
    op.execute("alter table rowline.endpoints add column sees_payload boolean not null default true")


def downgrade() -> None:
    """Take it away."""
    op.execute("alter table rowline.endpoints drop column sees_payload")
