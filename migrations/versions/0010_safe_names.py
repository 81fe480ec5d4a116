"""No function looks a name up where its caller can put one, and callers cannot raise limits. An expand step.

A path that does not name `pg_temp` begins with it for types and tables, and everybody may make a type there: one
called `text`, with a CHECK, ran with the rights of the owner of rowline.enqueue. Going down brings that back.

Revision ID: 0010
Revises: 0009
"""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
LIMIT = "rowline.enqueue_limit(text, integer)"


def upgrade() -> None:
    """Make the functions anew; who may call them stays. No table is locked, and no row is read."""
    for name in ("rowline/enqueue_2.sql", "rowline/broken_rule_1.sql", "report/fingerprint_2.sql"):
        op.execute((SQL / name).read_text())
    op.execute(f"revoke execute on function {LIMIT} from public")


def downgrade() -> None:
    """Bring the functions back, but report.fingerprint, which says the same. Nothing is lost but safety."""
    for name in ("rowline/job_is_sound_1.sql", "rowline/enqueue_1.sql"):
        op.execute((SQL / name).read_text())
    op.execute("drop function rowline.broken_rule_1")
    op.execute(f"drop function {LIMIT}")
