"""Until when the first attempt of a job has to begin: by job, and by queue. An expand step.

A node of the release before hands out such jobs later than that, and fails none; a setting of a queue is refused while
one is connected. Going down lets all jobs start at any time, and makes `report.jobs` anew: `rowline db roles --apply`
gives the roles their rights on it back.

Revision ID: 0024
Revises: 0023
"""

from pathlib import Path

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
COLUMNS = (
    "queue, custom_id, name, status, priority, lifo, place, delay_ms, attempts, attempts_made, attempts_started, "
    "stalled_count, backoff_type, backoff_delay_ms, backoff_jitter, timeout_ms, stacks_kept, logs_kept, lease_token, "
    "leased_until, processed_at, finished_at, failed_reason, result, failed_code"
)
SETTING = """
alter table rowline.queue_settings
    add column if not exists start_within_ms bigint,
    drop constraint if exists queue_settings_start_within,
    add constraint queue_settings_start_within check (start_within_ms between 1 and 316224000000) not valid
"""
NO_SETTING = """
alter table rowline.queue_settings
    drop constraint if exists queue_settings_start_within, drop column if exists start_within_ms
"""
EMPTY = """
delete from rowline.queue_settings
where paused_at is null and remove_on_complete is null and remove_on_fail is null
"""
OPTION = """
insert into rowline.job_options (name, nth, kind, field, low, high)
values ('startBy', 16, 'whole', 'start_by', 1, 253402300799999) on conflict do nothing
"""
INDEX = """
create index concurrently jobs_unstarted on rowline.jobs (start_by, number)
where start_by is not null and '' || status in ('waiting', 'prioritized', 'delayed') and attempts_started = 0
"""


def _swap(column: str, check: str) -> None:
    """Change the column and the CHECK under one lock; what is there is read afterwards, beside the work."""
    op.execute(
        f"alter table rowline.jobs drop constraint if exists jobs_sound, {column}, "
        f"add constraint jobs_sound check ({check}) not valid"
    )


def _validate(*tables: str) -> None:
    """Read what the tables hold, beside the work."""
    op.execute("set statement_timeout = '1h'")
    for table in tables:
        name = "jobs_sound" if table == "jobs" else f"{table}_start_within"
        op.execute(f"alter table rowline.{table} validate constraint {name}")


def upgrade() -> None:
    """Add the column with its rule, the setting, the option, and the index by which late jobs are found."""
    op.execute((SQL / "rowline" / "broken_rule_3.sql").read_text())
    _swap("add column if not exists start_by bigint", f"rowline.job_is_sound_3({COLUMNS}, start_by)")
    op.execute(SETTING)
    op.execute((SQL / "rowline" / "enqueue_5.sql").read_text())
    op.execute(OPTION)
    op.execute((SQL / "report" / "jobs_4.sql").read_text())
    with op.get_context().autocommit_block():
        _validate("jobs", "queue_settings")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        op.execute("drop index concurrently if exists rowline.jobs_unstarted")  # one that was left unfinished
        op.execute(INDEX)
    op.execute("drop function if exists rowline.job_is_sound_2, rowline.broken_rule_2")


def downgrade() -> None:
    """Take them away again."""
    op.execute("drop view report.jobs")
    op.execute((SQL / "report" / "jobs_3.sql").read_text())
    op.execute("delete from rowline.job_options where name = 'startBy'")
    for name in ("enqueue_3", "enqueue_4"):
        op.execute((SQL / "rowline" / f"{name}.sql").read_text())
    op.execute(NO_SETTING)
    op.execute(EMPTY)
    op.execute((SQL / "rowline" / "broken_rule_2.sql").read_text())
    _swap("drop column if exists start_by", f"rowline.job_is_sound_2({COLUMNS})")
    with op.get_context().autocommit_block():
        _validate("jobs")
    op.execute("drop function if exists rowline.job_is_sound_3, rowline.broken_rule_3")
