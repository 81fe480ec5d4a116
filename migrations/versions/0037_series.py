"""The series: what happened in each minute, hour and day, with how long jobs waited and ran. An expand step.

A node of the release before goes on folding: what it folds is counted as added, completed and failed, and no more; what
it claims and ends itself is in no bucket. While it makes the rounds, hours that it
makes of minutes lack the rest. Going down drops what is new, with all days, and `report.latency` tells of jobs that are
kept, as before; `rowline db roles --apply` gives the roles their rights on the views back.

Revision ID: 0037
Revises: 0036
"""

from pathlib import Path

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
MORE = """
    add column claimed bigint not null default 0,
    add column retried bigint not null default 0,
    add column stalled bigint not null default 0,
    add column waits {kind}[],
    add column wait_s double precision not null default 0,
    add column runs {kind}[],
    add column run_s double precision not null default 0
"""
LESS = ", ".join(
    f"drop column {name}" for name in ("claimed", "retried", "stalled", "waits", "wait_s", "runs", "run_s")
)
DAYS = """
create table rowline.job_days (
    day timestamptz not null,
    queue text collate "C" not null,
    added bigint not null,
    completed bigint not null,
    failed bigint not null,
    claimed bigint not null default 0,
    retried bigint not null default 0,
    stalled bigint not null default 0,
    waits bigint[],
    wait_s double precision not null default 0,
    runs bigint[],
    run_s double precision not null default 0,
    constraint job_days_pkey primary key (day, queue)
)
"""
TOTALS = """
    add column {prefix}waits bigint[],
    add column {prefix}wait_s double precision not null default 0,
    add column {prefix}runs bigint[],
    add column {prefix}run_s double precision not null default 0
"""


def upgrade() -> None:
    """Widen the deltas, the minutes, the hours and the totals; add the days, and have the views read all of it."""
    op.execute('alter table rowline.job_deltas add column durations text collate "C", add column durations_s real')
    op.execute(f"alter table rowline.job_minutes {MORE.format(kind='integer')}")
    op.execute(f"alter table rowline.job_hours {MORE.format(kind='bigint')}")
    op.execute(DAYS)
    op.execute(f"alter table rowline.job_counts {TOTALS.format(prefix='total_')}")
    op.execute(f"alter table rowline.carried_totals {TOTALS.format(prefix='')}")
    op.execute((SQL / "report" / "sum_counts_1.sql").read_text())
    op.execute((SQL / "report" / "percentiles_1.sql").read_text())
    op.execute((SQL / "report" / "series_1.sql").read_text())
    op.execute((SQL / "report" / "throughput_3.sql").read_text())
    op.execute((SQL / "report" / "latency_3.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute((SQL / "report" / "latency_2.sql").read_text())
    op.execute((SQL / "report" / "throughput_2.sql").read_text())
    op.execute("drop view report.series")
    op.execute("drop function report.percentiles(bigint[], double precision[])")
    op.execute("drop aggregate report.sum_counts(bigint[])")
    op.execute("drop function report.add_counts(bigint[], bigint[])")
    for table, prefix in (("carried_totals", ""), ("job_counts", "total_")):
        names = ", ".join(f"drop column {prefix}{name}" for name in ("waits", "wait_s", "runs", "run_s"))
        op.execute(f"alter table rowline.{table} {names}")
    op.execute("drop table rowline.job_days")
    op.execute(f"alter table rowline.job_hours {LESS}")
    op.execute(f"alter table rowline.job_minutes {LESS}")
    op.execute("alter table rowline.job_deltas drop column durations, drop column durations_s")
