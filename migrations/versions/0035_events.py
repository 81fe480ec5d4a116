"""Events: each delta of the counts tells which jobs changed, how and when, and the fold publishes that. An expand step.

A node of the release before writes deltas that do not tell, and folds what others told without publishing it: then the
stream of events has a gap, which the next fold by a node of this release notes. Going down drops all events.

Revision ID: 0035
Revises: 0034
"""

from pathlib import Path

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
step = "expand"
oldest = "0005"

SQL = Path(__file__).parents[1] / "sql"
SLOTS = 13
DELTAS = """
alter table rowline.job_deltas
    add column verb text collate "C",
    add column at timestamptz,
    add column numbers bigint[],
    add column worker text,
    add column details json
"""
FOLDS = """
alter table rowline.job_folds
    add column published_below bigint,
    add column next_event bigint not null default 1,
    add column has_gap boolean not null default false,
    add column slot smallint not null default 0,
    add column slot_began_at timestamptz not null default statement_timestamp()
"""
EVENTS = """
create table rowline.events (
    slot smallint not null,
    last_id bigint not null,
    size bigint not null,
    queue text collate "C" not null,
    verb text collate "C" not null,
    at timestamptz not null,
    numbers bigint[] not null,
    worker text,
    details json,
    constraint events_pkey primary key (last_id, slot)
) partition by list (slot)
"""
GONE = """
create index events_gone on rowline.events using gin (numbers)
    where details is not null
        and verb in ('complete_and_remove', 'sweep', 'remove_job', 'remove_active', 'replace', 'remove_by_plan')
"""

STREAMS = """
alter table rowline.tokens
    add column streams integer not null default 10
    constraint tokens_streams check (streams between 1 and 1000000000)
"""


def upgrade() -> None:
    """Widen the deltas, and make the table of events, whose partitions are emptied in turn."""
    op.execute(DELTAS)
    op.execute(FOLDS)
    op.execute("update rowline.job_folds set published_below = folded_below where is_only")
    op.execute(EVENTS)
    for slot in range(SLOTS):
        op.execute(f"create table rowline.events_{slot} partition of rowline.events for values in ({slot})")
    op.execute("create index events_of_queue on rowline.events (queue, last_id)")
    op.execute(GONE)
    op.execute((SQL / "rowline" / "empty_events_1.sql").read_text())
    op.execute("revoke execute on function rowline.empty_events(smallint) from public")
    op.execute((SQL / "rowline" / "enqueue_8.sql").read_text())
    op.execute(STREAMS)
    op.execute((SQL / "report" / "tokens_2.sql").read_text())


def downgrade() -> None:
    """Take them away."""
    op.execute("drop view report.tokens")
    op.execute((SQL / "report" / "tokens_1.sql").read_text())
    op.execute("alter table rowline.tokens drop column streams")
    op.execute((SQL / "rowline" / "enqueue_7.sql").read_text())
    op.execute("drop function rowline.empty_events(smallint)")
    op.execute("drop table rowline.events")
    op.execute(
        "alter table rowline.job_folds drop column published_below, drop column next_event, drop column has_gap, "
        "drop column slot, drop column slot_began_at"
    )
    op.execute(
        "alter table rowline.job_deltas drop column verb, drop column at, drop column numbers, drop column worker, "
        "drop column details"
    )
