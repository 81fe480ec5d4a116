"""Jobs added in SQL, in the transaction of the caller: `rowline.enqueue`. An expand step: functions only.

They run with the rights of their owner, so nobody may call them but whom the operator names.

Revision ID: 0007
Revises: 0006
"""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "rowline"
HELPERS = (
    *("name_fault(text, integer)", "escape_fault(text)", "json_fault(text)", "number(json)"),
    *("whole(json, bigint, bigint)", "refuse(json[], text)", "fault(text, text)", "twin(json)", "backoff(json, text)"),
    *("opts(json, text, rowline.enqueue_job)", "read(json, text)", "store(text, rowline.enqueue_job[], boolean)"),
)
FUNCTIONS = (
    "rowline.enqueue(text, text, json, json, boolean)",
    "rowline.enqueue_many(text, json, boolean)",
    *(f"rowline.enqueue_{helper}" for helper in reversed(HELPERS)),
)


def upgrade() -> None:
    """Make the types and the functions, and take from everybody the right to call them, which PostgreSQL gives."""
    for name in ("enqueue_types_1.sql", "enqueue_1.sql"):
        op.execute((SQL / name).read_text())
    op.execute(f"revoke execute on function {', '.join(FUNCTIONS)} from public")


def downgrade() -> None:
    """Drop the functions."""
    op.execute(f"drop function {', '.join(FUNCTIONS)}")
    op.execute("drop type rowline.enqueue_job")
    op.execute("drop type rowline.enqueued")
