"""How long finished jobs are kept, by the service and by queue. An expand step.

An empty database gets the settings that a new installation has; one with jobs keeps all of them, as before, until
somebody says otherwise. Going down keeps all jobs for ever.

Revision ID: 0018
Revises: 0017
"""

from pathlib import Path

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
SETTINGS = """
create table rowline.settings (
    is_only boolean not null default true,
    remove_on_complete json,
    remove_on_fail json,
    constraint settings_pkey primary key (is_only),
    constraint settings_is_only check (is_only)
)
"""
OF_QUEUES = "alter table rowline.queue_settings add column remove_on_complete json, add column remove_on_fail json"
NEW = """
insert into rowline.settings (remove_on_complete, remove_on_fail)
select json_build_object('age', 604800), json_build_object('age', 2592000)
where not exists (select from rowline.jobs)
"""


def upgrade() -> None:
    """Add the settings: 7 days for completed jobs and 30 for failed ones, if there are no jobs yet."""
    op.execute(SETTINGS)
    op.execute(OF_QUEUES)
    op.execute(NEW)
    for view in ("retention", "attention"):
        op.execute((SQL / "report" / f"{view}_2.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.attention")
    op.execute("drop view report.retention")
    for view in ("retention", "attention"):
        op.execute((SQL / "report" / f"{view}_1.sql").read_text())
    op.execute("drop table rowline.settings")
    op.execute("delete from rowline.queue_settings where paused_at is null")
    op.execute("alter table rowline.queue_settings drop column remove_on_complete, drop column remove_on_fail")
