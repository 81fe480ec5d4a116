<%! from app.postgres import schema %>\
"""${message}. An expand step: the release before can use what it leaves, because …

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from alembic import op

revision = "${up_revision}"
down_revision = "${down_revision}"
branch_labels = None
depends_on = None
step = "expand"
oldest = "${schema.revisions()[-1].oldest}"  # of a contract or a stop step: rule 2 of migrations/README.md


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
