"""Triggers ask for the rules of a job's state too, once for all rows of a statement. An expand step.

The rules stay the same, for nodes of the release before too; those of `place`, `delay_ms` and `start_by` are asked at
each change of a job now, not only at an insert. What the table holds was asked before.

Revision ID: 0043
Revises: 0042
"""

from pathlib import Path

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"
STATE = (
    "status, priority, attempts_made, attempts_started, stalled_count, lease_token, leased_until, processed_at, "
    "finished_at, failed_reason, result, failed_code"
)


def upgrade() -> None:
    """Let a trigger ask in the place of the CHECK, from the same moment on."""
    op.execute((SQL / "broken_rule_5.sql").read_text())
    op.execute("alter table rowline.jobs drop constraint if exists jobs_sound")
    op.execute(
        "create or replace trigger jobs_states after update on rowline.jobs referencing new table as new_jobs "
        "for each statement execute function rowline.check_job_states()"
    )
    op.execute("drop function if exists rowline.job_is_sound_4, rowline.broken_state_4, rowline.broken_request_4")


def downgrade() -> None:
    """Let the CHECK ask again."""
    op.execute((SQL / "broken_rule_4.sql").read_text())
    op.execute(
        "alter table rowline.jobs drop constraint if exists jobs_sound, "
        f"add constraint jobs_sound check (rowline.job_is_sound_4({STATE})) not valid"
    )
    op.execute("drop trigger if exists jobs_states on rowline.jobs")
    op.execute("drop function if exists rowline.check_job_states, rowline.broken_state_5, rowline.broken_request_5")
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("alter table rowline.jobs validate constraint jobs_sound")
