"""The rules for what a job was asked for are asked where they can be broken: at an insert and a change. An expand step.

The rules stay the same, for nodes of the release before too. The CHECK asks for those of a job's state only, at each
step of its life; triggers ask for the others.

Revision ID: 0042
Revises: 0041
"""

from pathlib import Path

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"
STATE = (
    "status, priority, attempts_made, attempts_started, stalled_count, lease_token, leased_until, processed_at, "
    "finished_at, failed_reason, result, failed_code"
)
ALL = (
    "queue, custom_id, name, status, priority, lifo, place, delay_ms, attempts, attempts_made, attempts_started, "
    "stalled_count, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, lease_token, "
    "leased_until, processed_at, finished_at, failed_reason, result, failed_code, start_by"
)
# Not place, delay_ms and start_by: retries, promotion and recovery compute them, and an update of each job would ask.
CHANGED = (
    "queue, custom_id, name, priority, lifo, attempts, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, "
    "stacks_kept, logs_kept, tags"
)
TRIGGERS = f"""
create or replace trigger jobs_new after insert on rowline.jobs
referencing new table as new_jobs for each statement execute function rowline.check_new_jobs();
create or replace trigger jobs_changed after update of {CHANGED} on rowline.jobs
for each row execute function rowline.check_changed_job();
"""
NO_TRIGGERS = """
drop trigger if exists jobs_new on rowline.jobs;
drop trigger if exists jobs_changed on rowline.jobs;
drop function if exists rowline.check_new_jobs, rowline.check_changed_job, rowline.broken_request_4;
"""


def _swap(check: str, more: str = "") -> None:
    """Change the CHECKs under one lock."""
    op.execute(
        "alter table rowline.jobs drop constraint if exists jobs_sound, drop constraint if exists jobs_tags, "
        f"add constraint jobs_sound check ({check}) not valid{more}"
    )


def _validate(*constraints: str) -> None:
    """Read what the table holds, beside the work."""
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        for constraint in constraints:
            op.execute(f"alter table rowline.jobs validate constraint {constraint}")


def upgrade() -> None:
    """Let triggers ask for the rules of requests, the CHECK for those of states."""
    op.execute((SQL / "broken_rule_4.sql").read_text())
    _swap(f"rowline.job_is_sound_4({STATE})")
    op.execute(TRIGGERS)
    _validate("jobs_sound")
    op.execute("drop function if exists rowline.job_is_sound_3, rowline.broken_rule_3")


def downgrade() -> None:
    """Let the CHECKs ask for all rules again."""
    op.execute((SQL / "broken_rule_3.sql").read_text())
    _swap(
        f"rowline.job_is_sound_3({ALL})",
        ", add constraint jobs_tags check (rowline.are_texts_1(tags, 10, 100)) not valid",
    )
    op.execute(NO_TRIGGERS)
    _validate("jobs_sound", "jobs_tags")
    op.execute("drop function if exists rowline.job_is_sound_4, rowline.broken_state_4")
