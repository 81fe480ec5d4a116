"""A release to come, for rehearsals: migrations with one more revision, which changes the table that everybody uses."""

import shutil
from pathlib import Path

from app.postgres import schema

NAME = "9999"
REVISION = """
from alembic import op

revision = "{name}"
down_revision = "{head}"
branch_labels = None
depends_on = None
step = "expand"
oldest = "{oldest}"


def upgrade():
    op.execute("alter table rowline.jobs add column if not exists colour text")
    op.execute("alter table rowline.jobs drop constraint if exists jobs_colour")
    op.execute("alter table rowline.jobs add constraint jobs_colour check (colour <> '') not valid")
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("alter table rowline.jobs validate constraint jobs_colour")
        op.execute("set lock_timeout = '10min'")
        op.execute("drop index concurrently if exists rowline.jobs_coloured")
        op.execute("create index concurrently jobs_coloured on rowline.jobs (queue, colour)")
"""


def migrations(folder: Path) -> Path:
    """Write them below `folder`."""
    made = Path(shutil.copytree(schema.MIGRATIONS, folder / "migrations"))
    last = schema.revisions()[-1]
    text = REVISION.format(name=NAME, head=last.name, oldest=last.oldest)
    (made / "versions" / f"{NAME}_colour.py").write_text(text)
    return made
