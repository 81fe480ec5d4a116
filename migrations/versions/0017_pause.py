"""A pause of a queue, and a function by which a feature keeps older programs out. An expand step.

The release before does not obey a pause, which is refused while a program of it is connected. Going down ends all
pauses, and makes report.queues anew: `rowline db roles --apply` gives the roles their rights on it back.

Revision ID: 0017
Revises: 0016
"""

from pathlib import Path

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
PAUSE = """
alter table rowline.queue_settings
    add column paused_at timestamptz,
    add column paused_by text collate "C",
    add column pause_reason text,
    add constraint queue_settings_pause check (
        num_nulls(paused_at, paused_by) in (0, 2) and (paused_at is not null or pause_reason is null)
        and char_length(pause_reason) between 1 and 500
    )
"""
NO_PAUSE = """
alter table rowline.queue_settings
    drop constraint queue_settings_pause, drop column paused_at, drop column paused_by, drop column pause_reason
"""


def upgrade() -> None:
    """Add the columns, the function, and the pause to the report of queues."""
    op.execute(PAUSE)
    op.execute((SQL / "rowline" / "require_release_1.sql").read_text())
    op.execute("revoke execute on function rowline.require_release(text) from public")
    op.execute((SQL / "report" / "queues_2.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.queues")
    op.execute((SQL / "report" / "queues_1.sql").read_text())
    op.execute("drop function rowline.require_release(text)")
    op.execute("delete from rowline.queue_settings")
    op.execute(NO_PAUSE)
