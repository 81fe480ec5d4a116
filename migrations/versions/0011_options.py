"""The options of a job in a table, which rowline.enqueue reads: another one is a row there. An expand step.

Going down brings back what has them in its text.

Revision ID: 0011
Revises: 0010
"""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"
TABLE = """
create table rowline.job_options (
    name text collate "C" primary key,
    nth bigint not null unique,
    kind text collate "C" not null
        constraint job_options_kind check (kind in ('whole', 'flag', 'id', 'texts', 'backoff', 'planned')),
    field text collate "C",
    low bigint not null default 0,
    high bigint not null default 0,
    longest bigint not null default 0,
    is_empty_absent boolean not null default false
)
"""
COMMENT = "comment on table rowline.job_options is 'The options of a job that rowline.enqueue takes, as POST does.'"
ROWS = """
insert into rowline.job_options (name, nth, kind, field, low, high, is_empty_absent) values
    ('attempts', 1, 'whole', 'attempts', 0, 1000, true),
    ('backoff', 2, 'backoff', 'backoff', 0, 0, false),
    ('delay', 3, 'whole', 'delay_ms', 0, 316224000000, false),
    ('priority', 4, 'whole', 'priority', 1, 2097152, false),
    ('lifo', 5, 'flag', 'lifo', 0, 0, false),
    ('jobId', 6, 'id', 'custom_id', 0, 255, true),
    ('deduplication', 7, 'planned', null, 0, 0, false),
    ('removeOnComplete', 8, 'planned', null, 0, 0, false),
    ('removeOnFail', 9, 'planned', null, 0, 0, false),
    ('keepLogs', 10, 'whole', 'logs_kept', 0, 1000000, false),
    ('stackTraceLimit', 11, 'whole', 'stacks_kept', 0, 100, false),
    ('timeout', 12, 'whole', 'timeout_ms', 1, 316224000000, false),
    ('parent', 13, 'planned', null, 0, 0, false),
    ('group', 14, 'planned', null, 0, 0, false)
"""
FUNCTIONS = (
    *("enqueue_add(text, rowline.jobs[], boolean)", "enqueue_rows(json, text)"),
    *("enqueue_opts(json, text, rowline.job_options[])", "enqueue_texts_faults(json, text, rowline.job_options)"),
    *("are_texts_1(text[], integer, integer)", "enqueue_require_small(json, text, integer)"),
)
NAMES = ", ".join(f"rowline.{function}" for function in FUNCTIONS)


def upgrade() -> None:
    """Make the table and the functions. No table that is there is locked, and no row is read.

    The functions that rowline.enqueue called before stay, for the calls that are under way.
    """
    op.execute(TABLE)
    op.execute(COMMENT)
    op.execute(ROWS)
    for name in ("are_texts_1.sql", "enqueue_3.sql"):
        op.execute((SQL / name).read_text())
    op.execute(f"revoke execute on function {NAMES} from public")


def downgrade() -> None:
    """Let rowline.enqueue call the functions that it called before."""
    op.execute((SQL / "enqueue_2.sql").read_text())
    op.execute(f"drop function {NAMES}")
    op.execute("drop table rowline.job_options")
