"""The tables of plans, and of the jobs that they mean."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from app.domain.plan import UNFINISHED, PlanAction, PlanStatus
from app.store.columns import NAME, WHEN, metadata, words


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


plans = Table(
    "plans",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("action", NAME, nullable=False),
    Column("filter", JSON, nullable=False),
    Column("change", JSON),
    Column("status", NAME, nullable=False),
    Column("until", BigInteger, nullable=False),  # jobs with higher numbers were added later, and are not meant
    Column("is_direct", Boolean, nullable=False),  # it is applied at once, and writes no jobs down
    Column("most", BigInteger),  # so many jobs at most
    _number("at"),  # the number of the last job that was looked at
    _number("matched"),
    Column("rate_per_s", Double),
    _number("done"),
    Column("skipped", JSON, nullable=False, server_default=text("'{}'")),
    _number("undone"),
    _number("not_undone"),
    Column("created_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("created_by", NAME, nullable=False),
    Column("planned_at", WHEN),
    Column("applied_at", WHEN),
    Column("ended_at", WHEN),
    Column("reason", Text),
    Column("next_at", WHEN),  # when the next step is due, by its rate; null: at once
    PrimaryKeyConstraint("id", "queue", name="plans_pkey"),
    CheckConstraint(f"action in ({words(PlanAction)})", name="plans_action"),
    CheckConstraint(f"status in ({words(PlanStatus)})", name="plans_status"),
)
"""Plans, for a day after they ended."""

# The queue comes last, so that a statement with an id has one possible plan only; there are few plans.
Index("plans_created", plans.c.created_at, plans.c.queue)
Index("plans_unfinished", plans.c.queue, plans.c.id, postgresql_where=text(f"status in ({words(UNFINISHED)})"))

plan_jobs = Table(
    "plan_jobs",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("plan", UUID(as_uuid=False), nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("plan", "number", "queue", name="plan_jobs_pkey"),
)
"""The jobs that a plan means and that it has not come to yet."""

plan_retried = Table(
    "plan_retried",
    metadata,
    Column("plan", UUID(as_uuid=False), nullable=False),
    Column("queue", NAME, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("attempts_started", Integer, nullable=False),  # as long as the job has so many it has not begun since
    Column("retried_at", WHEN, nullable=False),  # the run_at that the plan gave it
    # What a retry overwrites, as it was.
    Column("status", NAME, nullable=False),
    Column("run_at", WHEN, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("attempts_made", Integer, nullable=False),
    Column("stalled_count", Integer, nullable=False),
    Column("processed_by", Text),
    Column("finished_at", WHEN, nullable=False),
    Column("cancel_requested_at", WHEN),
    Column("failed_reason", Text),
    Column("failed_code", NAME),
    Column("fingerprint", NAME),
    Column("result", JSON),
    Column("start_by", BigInteger),
    PrimaryKeyConstraint("plan", "number", "queue", name="plan_retried_pkey"),
)
"""How the jobs that plans retried were before, for a day: an undo makes them so again."""

deduplications = Table(
    "deduplications",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("dedup_id", NAME, nullable=False),
    Column("number", BigInteger),  # of the job that holds the id, or held it last; null: nobody does
    Column("job_id", NAME),  # its id
    Column("expires_at", WHEN),  # the end of the window; null: it is held until that job has ended
    Column("stored", JSON),  # the columns of the job that is to follow
    PrimaryKeyConstraint("queue", "dedup_id", name="deduplications_pkey"),
    CheckConstraint("(number is null) = (job_id is null)", name="deduplications_holder"),
)
"""Who holds the deduplication ids of queues. A row stays until its window is over and its job is gone."""

Index(
    "deduplications_stored",
    deduplications.c.queue,
    deduplications.c.dedup_id,
    postgresql_where=text("stored is not null"),
)
