"""How the jobs that plans retried were before, so that retries can be undone. An expand step.

A node of the release before keeps nothing of the jobs that it retries for a plan: an undo counts them as not undone.
Going down forgets how the jobs were: retries can no longer be undone then.

Revision ID: 0044
Revises: 0043
"""

from pathlib import Path

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
RETRIED = """
create table rowline.plan_retried (
    plan uuid not null,
    queue text collate "C" not null,
    number bigint not null,
    attempts_started integer not null,
    retried_at timestamptz not null,
    status text collate "C" not null,
    run_at timestamptz not null,
    place bigint not null,
    attempts_made integer not null,
    stalled_count integer not null,
    processed_by text,
    finished_at timestamptz not null,
    cancel_requested_at timestamptz,
    failed_reason text,
    failed_code text collate "C",
    fingerprint text collate "C",
    result json,
    start_by bigint,
    constraint plan_retried_pkey primary key (plan, number, queue)
)
"""


def upgrade() -> None:
    """Make the table, and have the view of plans say what its columns count of retries."""
    op.execute(RETRIED)
    op.execute((SQL / "plans_2.sql").read_text())


def downgrade() -> None:
    """Take it away."""
    op.execute("drop view report.plans")
    op.execute((SQL / "plans_1.sql").read_text())
    op.execute("drop table rowline.plan_retried")
