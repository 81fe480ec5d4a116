"""Why a job has failed, as a word for programs. An expand step; going down loses these words.

A job that failed before, or by a node of the release before, has none.

Revision ID: 0019
Revises: 0018
"""

from pathlib import Path

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"
COLUMNS = (
    "queue, custom_id, name, status, priority, lifo, place, delay_ms, attempts, attempts_made, attempts_started, "
    "stalled_count, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, lease_token, "
    "leased_until, processed_at, finished_at, failed_reason, result"
)


def _swap(column: str, check: str) -> None:
    """Change the column and the CHECK under one lock; what is there is read afterwards, beside the work."""
    op.execute(
        f"alter table rowline.jobs drop constraint if exists jobs_sound, {column}, "
        f"add constraint jobs_sound check ({check}) not valid"
    )
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("alter table rowline.jobs validate constraint jobs_sound")


def upgrade() -> None:
    """Add the column, and the rule for what it holds."""
    op.execute((SQL / "broken_rule_2.sql").read_text())
    _swap('add column if not exists failed_code text collate "C"', f"rowline.job_is_sound_2({COLUMNS}, failed_code)")
    op.execute("drop function if exists rowline.job_is_sound_1, rowline.broken_rule_1")


def downgrade() -> None:
    """Take both away again."""
    op.execute((SQL / "broken_rule_1.sql").read_text())
    _swap("drop column if exists failed_code", f"rowline.job_is_sound_1({COLUMNS})")
    op.execute("drop function if exists rowline.job_is_sound_2, rowline.broken_rule_2")
