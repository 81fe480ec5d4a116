"""What happened in each minute: how many jobs of a queue were added, completed and failed. An expand step.

A node of the release before goes on folding counts without noting minutes, so they are complete once all nodes are of
this release. Going down drops the minutes, which is all that is lost, and makes `report.queues` anew:
`rowline db roles --apply` gives the roles their rights on it back.

Revision ID: 0023
Revises: 0022
"""

from pathlib import Path

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
MINUTES = """
create table rowline.job_minutes (
    minute timestamptz not null,
    queue text collate "C" not null,
    added bigint not null,
    completed bigint not null,
    failed bigint not null,
    constraint job_minutes_pkey primary key (minute, queue)
) with (
    -- Each row is updated twice a second for a minute, in the room that its page has left, and never again.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05
)
"""


def upgrade() -> None:
    """Make the table, a view of it, and the columns of the view of queues."""
    op.execute(MINUTES)
    op.execute((SQL / "minutes_1.sql").read_text())
    op.execute((SQL / "queues_3.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.queues")
    op.execute((SQL / "queues_2.sql").read_text())
    op.execute("drop view report.minutes")
    op.execute("drop table rowline.job_minutes")
