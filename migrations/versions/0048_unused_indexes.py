"""The reports read the indexes that claims and promotions read, and nothing reads the ones before. An expand step.

`jobs_ready` and `jobs_delayed` are for programs written before 0045, which claim and promote by them. An upgrade drops
them, this one or a later one, once no such program is connected (`migrations/env.py`). Going down makes them anew.

Revision ID: 0048
Revises: 0047
"""

from pathlib import Path

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
INDEXES = {
    "jobs_ready": "(queue, priority, place) where status in ('waiting', 'prioritized')",
    "jobs_delayed": "(queue, run_at) where status = 'delayed'",
}

IS_VALID = "select indisvalid from pg_index where indexrelid = to_regclass(%s)"


def upgrade() -> None:
    """Have the reports say the conditions of `jobs_next`, `jobs_later` and `jobs_due`."""
    for name in ("queues_6", "attention_3"):
        op.execute((SQL / f"{name}.sql").read_text())


def downgrade() -> None:
    """Put back the indexes, beside the work, and then the reports that read them, with the revision."""
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("set lock_timeout = '10min'")  # it waits for transactions, and nobody waits for it
        for name, what in INDEXES.items():
            if not op.get_context().as_sql and op.get_bind().exec_driver_sql(IS_VALID, (f"rowline.{name}",)).scalar():
                continue  # it was kept
            op.execute(f"drop index concurrently if exists rowline.{name}")  # one that was left unfinished
            op.execute(f"create index concurrently {name} on rowline.jobs {what}")
        op.execute("set lock_timeout = '1s'")
    for name in ("queues_5", "attention_2"):
        op.execute((SQL / f"{name}.sql").read_text())
