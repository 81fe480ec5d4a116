"""One CHECK that calls a function in the place of 22, which were prepared anew for each statement. An expand step.

What it refuses, and the names it gives for that, are the same; the release before does not notice.

Revision ID: 0009
Revises: 0008
"""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

FUNCTION = Path(__file__).parents[1] / "sql" / "rowline" / "job_is_sound_1.sql"
SOUND = {
    "jobs_sound": (
        "rowline.job_is_sound_1(queue, custom_id, name, status, priority, lifo, place, delay_ms, attempts, "
        "attempts_made, attempts_started, stalled_count, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, "
        "stacks_kept, logs_kept, lease_token, leased_until, processed_at, finished_at, failed_reason, result)"
    )
}
BEFORE = {
    "jobs_queue": "char_length(queue) between 1 and 100",
    "jobs_name": "char_length(name) between 1 and 255",
    "jobs_custom_id_form": "char_length(custom_id) between 1 and 255 and custom_id !~ '^[0-9]+$'",
    "jobs_status": (
        "status in ('waiting', 'prioritized', 'delayed', 'active', 'waiting-children', 'completed', 'failed')"
    ),
    "jobs_priority": "priority between 0 and 2097152",
    "jobs_waiting_has_no_priority": "status <> 'waiting' or priority = 0",
    "jobs_prioritized_has_one": "status <> 'prioritized' or priority > 0",
    "jobs_lifo_is_ahead": "not lifo or place < 0",
    "jobs_delay": "delay_ms between 0 and 316224000000",
    "jobs_attempts": "attempts between 1 and 1000",
    "jobs_attempts_made": "attempts_made between 0 and attempts_started",
    "jobs_stalled_count": "stalled_count between 0 and attempts_started",
    "jobs_backoff": (
        "num_nulls(backoff_type, backoff_delay_ms, backoff_jitter) in (0, 3) and backoff_type in "
        "('fixed', 'linear', 'exponential') and backoff_delay_ms between 0 and 316224000000 "
        "and backoff_jitter between 0 and 1"
    ),
    "jobs_timeout": "timeout_ms between 1 and 316224000000",
    "jobs_stacks_kept": "stacks_kept between 0 and 100",
    "jobs_logs_kept": "logs_kept between 0 and 1000000",
    "jobs_leased_exactly_when_active": (
        "(status = 'active') = (leased_until is not null) and (status <> 'active' or lease_token is not null)"
    ),
    "jobs_active_has_begun": "status <> 'active' or attempts_started > 0",
    "jobs_processed_when_begun": "(attempts_started > 0) = (processed_at is not null)",
    "jobs_finished_exactly_when_final": "(status in ('completed', 'failed')) = (finished_at is not null)",
    "jobs_result_exactly_when_completed": "(status = 'completed') = (result is not null)",
    "jobs_failed_says_why": "status <> 'failed' or failed_reason is not null",
}


def _swap(made: dict[str, str], gone: dict[str, str]) -> None:
    """Have these checks for those, under one lock; what is there is read afterwards, beside the work."""
    actions = [f"drop constraint if exists {name}" for name in (*made, *gone)]
    actions += [f"add constraint {name} check ({condition}) not valid" for name, condition in made.items()]
    op.execute(f"alter table rowline.jobs {', '.join(actions)}")
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute(f"alter table rowline.jobs {', '.join(f'validate constraint {name}' for name in made)}")


def upgrade() -> None:
    """Make the function and have it asked."""
    op.execute(FUNCTION.read_text())
    _swap(SOUND, BEFORE)


def downgrade() -> None:
    """Bring the CHECKs back as they were. Nothing is lost."""
    _swap(BEFORE, SOUND)
    op.execute("drop function if exists rowline.job_is_sound_1, rowline.refuse_job")
