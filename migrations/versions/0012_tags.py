"""Tags of a job. An expand step; going down loses the tags, but `opts` has what was sent.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

OPTION = """
insert into rowline.job_options (name, nth, kind, field, high, longest, is_empty_absent)
values ('tags', 15, 'texts', 'tags', 10, 100, true) on conflict do nothing
"""


def upgrade() -> None:
    """Add the column, which no row has to be read or written for, and let rowline.enqueue take the option."""
    op.execute('alter table rowline.jobs add column if not exists tags text[] collate "C"')
    op.execute("alter table rowline.jobs drop constraint if exists jobs_tags")
    op.execute("alter table rowline.jobs add constraint jobs_tags check (rowline.are_texts_1(tags, 10, 100)) not valid")
    op.execute(OPTION)
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute("alter table rowline.jobs validate constraint jobs_tags")


def downgrade() -> None:
    """Drop the column and the option."""
    op.execute("alter table rowline.jobs drop column tags")
    op.execute("delete from rowline.job_options where name = 'tags'")
