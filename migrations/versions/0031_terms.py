"""Terms: what jobs are found by at once, their tags and the keys of their queue. An expand step.

A node of the release before stores no terms with the jobs that it adds, and removes none with those that it removes.
So searches do without them until no such node can come any more and all jobs were looked at (decision 65). Going down
takes the keys of all queues away.

Revision ID: 0031
Revises: 0030
"""

from pathlib import Path

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
TERMS = """
create table rowline.terms (
    queue text collate "C" not null,
    term text collate "C" not null,
    number bigint not null,
    constraint terms_pkey primary key (queue, term, number)
)
"""
FILLS = """
create table rowline.term_fills (
    queue text collate "C" not null,
    path text collate "C" not null,
    status text collate "C" not null default 'waiting',
    is_wanted boolean not null default true,
    at bigint not null default 0,
    until bigint not null default 0,
    looked_at bigint not null default 0,
    waiting_since timestamptz not null default statement_timestamp(),
    constraint term_fills_pkey primary key (queue, path),
    constraint term_fills_status check (status in ('waiting', 'filling', 'settling', 'filled', 'leaving', 'clearing'))
)
"""


def upgrade() -> None:
    """Make the tables, the setting, and a view; let rowline.enqueue store terms; make the CHECK of tags cheaper."""
    op.execute('alter table rowline.queue_settings add column keys text[] collate "C"')
    op.execute(TERMS)
    op.execute(FILLS)
    op.execute((SQL / "report" / "term_fills_1.sql").read_text())
    for functions in ("enqueue_7", "are_texts_3"):
        op.execute((SQL / "rowline" / f"{functions}.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    for functions in ("enqueue_6", "are_texts_2"):
        op.execute((SQL / "rowline" / f"{functions}.sql").read_text())
    op.execute("drop view report.term_fills")
    op.execute("drop table rowline.term_fills")
    op.execute("drop table rowline.terms")
    op.execute(
        "delete from rowline.queue_settings "
        "where paused_at is null and remove_on_complete is null and remove_on_fail is null "
        "and start_within_ms is null and defaults is null"
    )
    op.execute("alter table rowline.queue_settings drop column keys")
