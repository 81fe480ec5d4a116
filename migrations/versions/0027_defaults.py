"""Defaults of a queue for the options of jobs, and which options of a job hold instead of those sent. An expand step.

A node of the release before would add jobs without the defaults, so they are refused while one is connected. Going
down takes all defaults away; jobs that were added with them stay as they are. It makes two views anew:
`rowline db roles --apply` gives the roles their rights on them back.

Revision ID: 0027
Revises: 0026
"""

from pathlib import Path

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Add the columns, which no row has to be read or written for, and let rowline.enqueue read them."""
    op.execute("alter table rowline.jobs add column effective json")
    op.execute("alter table rowline.queue_settings add column defaults json, add column applied_defaults json")
    op.execute((SQL / "rowline" / "enqueue_6.sql").read_text())
    for view in ("queues_4", "jobs_5"):
        op.execute((SQL / "report" / f"{view}.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    for view, before in (("queues", "queues_3"), ("jobs", "jobs_4")):
        op.execute(f"drop view report.{view}")
        op.execute((SQL / "report" / f"{before}.sql").read_text())
    op.execute((SQL / "rowline" / "enqueue_5.sql").read_text())
    op.execute(
        "delete from rowline.queue_settings "
        "where paused_at is null and remove_on_complete is null and remove_on_fail is null "
        "and start_within_ms is null"
    )
    op.execute("alter table rowline.queue_settings drop column defaults, drop column applied_defaults")
    op.execute("alter table rowline.jobs drop column effective")
