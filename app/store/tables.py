"""The tables, as Alembic compares them. `domain/job.py` and the checks here say units and rules of the columns.

Every key and every hot statement stays within one queue, so that the table can be distributed by `queue`. Indexes are
partial on the status, so that each holds only the rows its statement looks for.
"""

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, UUID

from app.domain import endpoint
from app.domain.attempts import KEPT
from app.domain.ids import QUEUE_NAME_MAX
from app.domain.job import NewJob
from app.domain.options import KINDS_IN_SQL, STORED
from app.domain.states import Status
from app.store.access import audit, idempotency_keys, sessions, sign_in_codes, token_changes, tokens
from app.store.columns import NAME, SCHEMA, UPGRADER_LOCK, WHEN, metadata, words
from app.store.gone import removed_jobs, removed_packs
from app.store.indexed import term_fills, terms
from app.store.planned import deduplications, plan_jobs, plan_retried, plans
from app.store.scheduled import schedules
from app.store.seen import TOTALS, carried_totals, durations, events, job_days, job_hours, job_minutes, queue_workers
from app.store.settable import queue_settings, settings

__all__ = [
    "SCHEMA",
    "UPGRADER_LOCK",
    "attempts",
    "audit",
    "carried_totals",
    "count_of",
    "deduplications",
    "endpoints",
    "events",
    "idempotency_keys",
    "job_counts",
    "job_days",
    "job_deltas",
    "job_folds",
    "job_hours",
    "job_minutes",
    "job_numbers",
    "job_options",
    "jobs",
    "logs",
    "metadata",
    "plan_jobs",
    "plan_removed",
    "plan_retried",
    "plans",
    "queue_settings",
    "queue_workers",
    "removed_jobs",
    "removed_packs",
    "schedules",
    "sessions",
    "settings",
    "sign_in_codes",
    "term_fills",
    "terms",
    "token_changes",
    "tokens",
]

_TYPES: dict[str, Any] = {
    "boolean": Boolean,
    "integer": Integer,
    "bigint": BigInteger,
    "real": REAL,
    "text": NAME,
    "text[]": ARRAY(NAME),
    "json": JSON,
}


def _option_column(field: str, name: str, kind: str) -> Column[Any]:
    """Return the column of an option; it is nullable if the default of the option is None."""
    return Column(name, _TYPES[kind], nullable=NewJob._field_defaults[field] is None)


job_numbers = Sequence("job_numbers", metadata=metadata, data_type=BigInteger)
"""One sequence for all queues; gaps are normal."""

jobs = Table(
    "jobs",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("name", NAME, nullable=False),
    Column("status", NAME, nullable=False),
    # The position among ready jobs of the same priority: run_at in microseconds since the epoch, negated for lifo. The
    # jobs of one array have consecutive microseconds; a stalled job gets the place of a new lifo job: the front.
    Column("place", BigInteger, nullable=False),
    Column("run_at", WHEN, nullable=False),
    Column("added_at", WHEN, nullable=False),
    Column("attempts_made", Integer, nullable=False, server_default=text("0")),
    Column("attempts_started", Integer, nullable=False, server_default=text("0")),
    Column("stalled_count", Integer, nullable=False, server_default=text("0")),
    Column("lease_token", UUID(as_uuid=False)),  # of the last claim; kept, to recognize a repeated settlement
    Column("leased_until", WHEN),
    Column("processed_at", WHEN),
    Column("processed_by", Text),
    Column("finished_at", WHEN),
    Column("cancel_requested_at", WHEN),
    Column("failed_reason", Text),
    Column("failed_code", NAME),
    Column("fingerprint", NAME),  # of a failed job (`domain/fingerprint.py`); no other is asked for it
    Column("stacktrace", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("data", JSON, nullable=False),
    Column("opts", JSON, nullable=False),
    *(_option_column(option.field, name, kind) for option in STORED for name, kind in option.columns.items()),
    Column("progress", JSON, nullable=False, server_default=text("'0'")),
    Column("result", JSON),
    Column("effective", JSON),
    # The number comes first, so that a statement with numbers and a queue has one possible plan only.
    PrimaryKeyConstraint("number", "queue", name="jobs_pkey"),
    # Triggers ask for the rules of its rows, which are in migrations/sql/rowline/broken_rule_5.sql (decision 91).
)

plan_removed = Table(
    "plan_removed",
    metadata,
    *(Column(column.name, column.type, nullable=column.nullable) for column in jobs.columns),
    Column("plan", UUID(as_uuid=False), nullable=False),
    PrimaryKeyConstraint("plan", "number", "queue", name="plan_removed_pkey"),
)
"""Jobs that plans removed, for a day, as they were: an undo puts them back. A migration of `jobs` changes it too."""

job_options = Table(
    "job_options",
    metadata,
    Column("name", NAME, nullable=False),
    Column("nth", BigInteger, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("field", NAME),
    Column("low", BigInteger, nullable=False, server_default=text("0")),
    Column("high", BigInteger, nullable=False, server_default=text("0")),
    Column("longest", BigInteger, nullable=False, server_default=text("0")),
    Column("is_empty_absent", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("name", name="job_options_pkey"),
    UniqueConstraint("nth", name="job_options_nth_key"),
    CheckConstraint(f"kind in ({words(KINDS_IN_SQL)})", name="job_options_kind"),
)
"""The options that `rowline.enqueue` accepts: `domain/options.py`, as written by migrations."""

Index("jobs_custom_id", jobs.c.queue, jobs.c.custom_id, unique=True, postgresql_where=text("custom_id is not null"))
# The line of each queue, and its delayed jobs. Their conditions are written so that no other index serves the
# statements that walk them, which say the same: else the planner takes jobs_listed and sorts, if the last ANALYZE saw
# few such jobs and much that earlier ones left behind (decision 94).
Index(
    "jobs_next",
    jobs.c.queue,
    jobs.c.priority,
    jobs.c.place,
    postgresql_where=text("'' || status in ('waiting', 'prioritized')"),
)
Index("jobs_later", jobs.c.queue, jobs.c.run_at, postgresql_where=text("'' || status || '' = 'delayed'"))
# Of all queues. Its condition is written so that no statement of one queue can be planned through it.
Index("jobs_due", jobs.c.run_at, jobs.c.number, postgresql_where=text("'' || status = 'delayed'"))
# Of all queues: the jobs that have to start by a time, until they start. Its condition is written as that above.
Index(
    "jobs_unstarted",
    jobs.c.start_by,
    jobs.c.number,
    postgresql_where=text(
        "start_by is not null and '' || status in ('waiting', 'prioritized', 'delayed') and attempts_started = 0"
    ),
)
# No index contains the end of the lease, so that a heartbeat is a HOT update.
Index("jobs_active", jobs.c.queue, jobs.c.number, postgresql_where=text("status = 'active'"))
Index("jobs_listed", jobs.c.queue, jobs.c.status, jobs.c.number, postgresql_where=text("status <> 'active'"))
# The finished jobs that say themselves how long they are kept, but those that are kept for ever.
Index(
    "jobs_kept",
    jobs.c.queue,
    jobs.c.status,
    jobs.c.number,
    postgresql_where=text(
        "(case status when 'completed' then remove_on_complete when 'failed' then remove_on_fail end)::text <> 'false'"
    ),
)
# For the views of the schema `report`.
# Queue and status are keys, not INCLUDE, so that deduplication merges the entries of jobs that completed together.
Index(
    "jobs_ended",
    jobs.c.finished_at,
    jobs.c.queue,
    jobs.c.status,
    postgresql_where=text("finished_at is not null"),
)
Index("jobs_failed", jobs.c.finished_at, postgresql_where=text("status = 'failed'"))

# The failed jobs by what their failures have in common. The conditions of both begin with what is false of most rows,
# and are written as that of `jobs_due`.
Index(
    "jobs_fingerprint",
    jobs.c.queue,
    jobs.c.fingerprint,
    jobs.c.number,
    postgresql_include=["finished_at"],
    postgresql_where=text("fingerprint is not null and '' || status = 'failed'"),
)
# Of all queues: the failed jobs that have none yet, since a release before revision 0032 failed them.
Index(
    "jobs_unprinted",
    jobs.c.queue,
    jobs.c.number,
    postgresql_where=text("failed_reason is not null and fingerprint is null and '' || status = 'failed'"),
)


def _numbers(kind: type[Integer]) -> list[Column[int]]:
    """Return a column for each status: the number of its jobs."""
    return [Column(count_of(status), kind, nullable=False, server_default=text("0")) for status in Status]


def count_of(status: Status) -> str:
    """Return the name of the column that counts the jobs of a status."""
    return status.value.replace("-", "_")


job_counts = Table(
    "job_counts",
    metadata,
    Column("queue", NAME, nullable=False),
    *_numbers(BigInteger),
    *(Column(f"total_{total}", BigInteger, nullable=False, server_default=text("0")) for total in TOTALS),
    Column("active_at", WHEN),  # when a delta was folded last
    Column("is_named", Boolean, nullable=False, server_default=text("false")),  # in the labels of metrics
    *durations(BigInteger, "total_"),
    PrimaryKeyConstraint("queue", name="job_counts_pkey"),
)
"""How many jobs each queue has in each status, without the deltas that are not yet folded; and what happened in it,
as totals that never fall. A row is never deleted."""

job_deltas = Table(
    "job_deltas",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("added_by", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    *_numbers(Integer),
    Column("is_restored", Boolean),  # by an undo: the jobs were added, and ended, before
    Column("verb", NAME),  # null: a release before revision 0035 wrote it
    Column("at", WHEN),  # read after the jobs changed, so that it is in the order of each job
    Column("numbers", ARRAY(BigInteger)),  # null: it does not tell which jobs changed
    Column("worker", Text),
    Column("details", JSON),  # by number
    Column(
        "durations", NAME
    ),  # a letter for each job (`domain.durations`): of a claim how long it waited, of an end how long it ran
    Column("durations_s", REAL),  # all these together
    Column("removed", LargeBinary),  # attempts that completed jobs which went with that (`_fragments/unpacked.sql`)
)
"""What each statement changed in the counts of its queue, and in which jobs. Inserting a row waits for nobody.

Integers, because PostgreSQL sums them four times as fast as bigints.
"""

Index("job_deltas_added_by", job_deltas.c.added_by, job_deltas.c.queue)

job_folds = Table(
    "job_folds",
    metadata,
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    Column("folded_below", BigInteger, nullable=False),
    Column("in_flight", ARRAY(BigInteger), nullable=False),
    Column("published_below", BigInteger),  # as folded_below, unless a release before revision 0035 has folded
    Column("next_event", BigInteger, nullable=False, server_default=text("1")),
    Column("has_gap", Boolean, nullable=False, server_default=text("false")),  # since the last event that is published
    Column("slot", SmallInteger, nullable=False, server_default=text("0")),  # where events are put
    Column("slot_began_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("history", Text),  # to which the events belong: that of the server and its timeline; null: not known
    PrimaryKeyConstraint("is_only", name="job_folds_pkey"),
    CheckConstraint("is_only", name="job_folds_is_only"),
)
"""One row: the deltas of all transactions below a number are folded, except those that were in flight then.

And how far the events are, which whoever folds publishes.

So readers skip folded deltas, which a snapshot held elsewhere may keep on disk for hours.
"""

attempts = Table(
    "attempts",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("nth", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("started_at", WHEN, nullable=False),
    Column("ended_at", WHEN, nullable=False),
    Column("outcome", NAME, nullable=False),
    Column("reason", Text),
    PrimaryKeyConstraint("number", "queue", "nth", name="attempts_pkey"),
    CheckConstraint("nth >= 1", name="attempts_nth"),
    CheckConstraint(f"outcome in ({words(KEPT)})", name="attempts_outcome"),
)
"""The attempts that ended without completing the job. A running or completed attempt is the row of its job."""

Index("attempts_ended", attempts.c.ended_at)

log_line_numbers = Sequence("log_line_numbers", metadata=metadata, data_type=BigInteger)

logs = Table(
    "logs",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("line_number", BigInteger, log_line_numbers, server_default=log_line_numbers.next_value(), nullable=False),
    Column("line", Text, nullable=False),
    Column("logged_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    PrimaryKeyConstraint("number", "queue", "line_number", name="logs_pkey"),
)
"""The log lines of jobs, in the order in which they arrived."""

endpoints = Table(
    "endpoints",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("url", Text, nullable=False),
    Column("method", NAME, nullable=False),
    Column("headers", LargeBinary, nullable=False),  # encrypted, as `secrets`
    Column("secrets", LargeBinary, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("limiter_max", Integer),
    Column("limiter_ms", Integer),
    Column("max_stalled_count", Integer),
    Column("window_started_at", WHEN),
    Column("window_count", Integer, nullable=False, server_default=text("0")),
    Column("paused_until", WHEN),
    Column("registered_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("revision", UUID(as_uuid=False), nullable=False, server_default=text("gen_random_uuid()")),
    Column("switched_off_at", WHEN),
    Column("switched_off_reason", Text),
    Column("remove_on_complete", JSON),
    Column("remove_on_fail", JSON),
    Column("sees_payload", Boolean, nullable=False, server_default=text("true")),
    PrimaryKeyConstraint("queue", name="endpoints_pkey"),
    CheckConstraint(f"char_length(queue) between 1 and {QUEUE_NAME_MAX}", name="endpoints_queue"),
    CheckConstraint(f"char_length(url) between 1 and {endpoint.URL_MAX}", name="endpoints_url"),
    CheckConstraint(f"method in ({', '.join(map(repr, endpoint.METHODS))})", name="endpoints_method"),
    CheckConstraint(f"timeout_ms between 1 and {endpoint.TIMEOUT_MAX_MS}", name="endpoints_timeout"),
    CheckConstraint(f"concurrency between 1 and {endpoint.CONCURRENCY_MAX}", name="endpoints_concurrency"),
    CheckConstraint(
        f"num_nulls(limiter_max, limiter_ms) in (0, 2) and limiter_max between 1 and {endpoint.LIMITER_MAX} "
        f"and limiter_ms between 1 and {endpoint.LIMITER_MAX_MS}",
        name="endpoints_limiter",
    ),
    CheckConstraint(f"max_stalled_count between 1 and {endpoint.STALLED_MAX}", name="endpoints_max_stalled_count"),
    CheckConstraint("window_count >= 0", name="endpoints_window"),
    CheckConstraint(
        "num_nulls(switched_off_at, switched_off_reason) in (0, 2)", name="endpoints_switched_off_says_why"
    ),
)
"""The endpoint of a queue that has one: where dispatchers send its jobs."""
