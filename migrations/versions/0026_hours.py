"""What happened in each hour: minutes that are not kept any more become hours, which reports read. An expand step.

For the time before minutes were noted, the hours are made of the jobs that are kept: that reads all jobs once, beside
the work. A node of the release before, while it makes the rounds, deletes minutes of two days ago without making hours
of them. Going down drops the hours, and the reports count jobs that are kept, as before.

Revision ID: 0026
Revises: 0025
"""

from pathlib import Path

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql" / "report"
HOURS = """
create table if not exists rowline.job_hours (
    hour timestamptz not null,
    queue text collate "C" not null,
    added bigint not null,
    completed bigint not null,
    failed bigint not null,
    constraint job_hours_pkey primary key (hour, queue)
)
"""
# A run that was killed behind it has made all of them: nobody else writes hours before this revision is there.
EARLIER = """
insert into rowline.job_hours (hour, queue, added, completed, failed)
with noted as (
    select coalesce((select min(minute) from rowline.job_minutes), statement_timestamp()) as since_at
)
select one.hour, one.queue, sum(one.added)::bigint, sum(one.completed)::bigint, sum(one.failed)::bigint
from (
    select
        date_bin('1 hour', added_at, timestamptz 'epoch') as hour, queue, count(*) as added, 0 as completed, 0 as failed
    from rowline.jobs
    where added_at < (select since_at from noted) and added_at >= statement_timestamp() - interval '367 days'
    group by 1, 2
    union all
    select
        date_bin('1 hour', finished_at, timestamptz 'epoch'), queue, 0, count(*) filter (where status = 'completed'),
        count(*) filter (where status = 'failed')
    from rowline.jobs
    where finished_at < (select since_at from noted) and finished_at >= statement_timestamp() - interval '367 days'
    group by 1, 2
) as one
group by 1, 2
on conflict (hour, queue) do nothing
"""


def upgrade() -> None:
    """Make the table, fill it, and have the views read it."""
    op.execute(HOURS)
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = '1h'")
        op.execute(EARLIER)
    op.execute((SQL / "throughput_2.sql").read_text())
    op.execute((SQL / "arrivals_2.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute((SQL / "throughput_1.sql").read_text().replace("create view", "create or replace view"))
    op.execute((SQL / "arrivals_1.sql").read_text().replace("create view", "create or replace view"))
    op.execute("drop table rowline.job_hours")
