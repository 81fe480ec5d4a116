"""What happened in each queue since this revision, as totals that never fall: the counters of /metrics. An expand step.

A node of the release before goes on folding counts without adding to the totals: what it folds is missing there. It
deletes the row of a queue that has no jobs if somebody recounts, and with it the totals. Going down drops them.

Revision ID: 0036
Revises: 0035
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

TOTALS = ("added", "claimed", "completed", "failed", "removed", "attempts_failed", "retried", "released", "stalled")
CARRIED = f"""
create table rowline.carried_totals (
    is_only boolean not null default true,
    {" ".join(f"{total} bigint not null default 0," for total in TOTALS)}
    constraint carried_totals_pkey primary key (is_only),
    constraint carried_totals_is_only check (is_only)
)
"""


def upgrade() -> None:
    """Add the totals to the counts, and the table of what is carried."""
    columns = ", ".join(f"add column total_{total} bigint not null default 0" for total in TOTALS)
    op.execute(
        f"alter table rowline.job_counts {columns}, "
        "add column active_at timestamptz, add column is_named boolean not null default false"
    )
    op.execute(CARRIED)
    op.execute("insert into rowline.carried_totals (is_only) values (true)")


def downgrade() -> None:
    """Take them away."""
    op.execute("drop table rowline.carried_totals")
    columns = ", ".join(f"drop column total_{total}" for total in TOTALS)
    op.execute(f"alter table rowline.job_counts {columns}, drop column active_at, drop column is_named")
