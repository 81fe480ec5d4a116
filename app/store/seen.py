"""The tables of what was seen: what happened in each minute, hour and day and to each job, and who works."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from app.domain.events import REMOVALS
from app.domain.workers import Way
from app.store.columns import NAME, WHEN, metadata, words

_REMOVALS = ", ".join(f"'{verb}'" for verb in REMOVALS)
TOTALS = ("added", "claimed", "completed", "failed", "removed", "attempts_failed", "retried", "released", "stalled")
"""What is counted of each queue without end: how many jobs, or attempts, it happened to."""


def durations(kind: type[Integer], prefix: str = "") -> list[Column[Any]]:
    """Return the columns that tell how long jobs waited and ran: by buckets (`domain.durations`), null: none; in s."""
    return [
        column
        for what in ("wait", "run")
        for column in (
            Column(f"{prefix}{what}s", ARRAY(kind)),
            Column(f"{prefix}{what}_s", Double, nullable=False, server_default=text("0")),
        )
    ]


def _tally(kind: type[Integer]) -> list[Column[Any]]:
    """Return the columns that tell what happened to the jobs of a queue in some time."""
    return [
        *(Column(what, BigInteger, nullable=False) for what in ("added", "completed", "failed")),
        # Rows that a release before revision 0037 wrote do not tell these.
        *(
            Column(what, BigInteger, nullable=False, server_default=text("0"))
            for what in ("claimed", "retried", "stalled")
        ),
        *durations(kind),
    ]


job_minutes = Table(
    "job_minutes",
    metadata,
    Column("minute", WHEN, nullable=False),
    Column("queue", NAME, nullable=False),
    *_tally(Integer),
    # The minute comes first: a fold writes side by side, old rows are the first ones, reads name their minutes.
    PrimaryKeyConstraint("minute", "queue", name="job_minutes_pkey"),
)
"""What happened to the jobs of a queue in a minute, that of the fold of their deltas."""

job_hours = Table(
    "job_hours",
    metadata,
    Column("hour", WHEN, nullable=False),  # of UTC
    Column("queue", NAME, nullable=False),
    *_tally(BigInteger),
    PrimaryKeyConstraint("hour", "queue", name="job_hours_pkey"),
)
"""The same by the hour, of minutes that are not kept any more."""

job_days = Table(
    "job_days",
    metadata,
    Column("day", WHEN, nullable=False),  # of UTC
    Column("queue", NAME, nullable=False),
    *_tally(BigInteger),
    PrimaryKeyConstraint("day", "queue", name="job_days_pkey"),
)
"""The same by the day, of hours that are not kept any more. What happened is in one of the three tables."""

carried_totals = Table(
    "carried_totals",
    metadata,
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    *(Column(total, BigInteger, nullable=False, server_default=text("0")) for total in TOTALS),
    *durations(BigInteger),
    PrimaryKeyConstraint("is_only", name="carried_totals_pkey"),
    CheckConstraint("is_only", name="carried_totals_is_only"),
)
"""One row: what the metrics of all other queues together count besides the totals of these.

What queues counted that were among them, without what those did that are among them now, while they had a name: so
these metrics never jump when a queue changes sides.
"""

queue_workers = Table(
    "queue_workers",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("worker", NAME, nullable=False),
    Column("process", UUID(as_uuid=False), nullable=False),
    Column("way", NAME, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("busy", Integer, nullable=False),
    Column("seen_at", WHEN, nullable=False),
    PrimaryKeyConstraint("queue", "worker", "process", name="queue_workers_pkey"),
    CheckConstraint(f"way in ({words(Way)})", name="queue_workers_way"),
    CheckConstraint("slots >= 0 and busy >= 0", name="queue_workers_slots"),
    Index("queue_workers_seen", "seen_at"),
)
"""The workers that each process saw in the last minute or two. No other process writes its rows."""

events = Table(
    "events",
    metadata,
    Column("slot", SmallInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("queue", NAME, nullable=False),  # empty for a gap
    Column("verb", NAME, nullable=False),
    Column("at", WHEN, nullable=False),
    Column("numbers", ARRAY(BigInteger), nullable=False),
    Column("worker", Text),
    Column("details", JSON),
    PrimaryKeyConstraint("last_id", "slot", name="events_pkey"),
    Index("events_of_queue", "queue", "last_id"),
    # The ids of jobs that are gone are found by it.
    Index(
        "events_gone",
        "numbers",
        postgresql_using="gin",
        postgresql_where=text(f"details is not null and verb in ({_REMOVALS})"),
    ),
    postgresql_partition_by="LIST (slot)",
)
"""What happened to jobs and queues, as whoever folds published it: a row for each statement that changed some.

Its events have the ids up to `last_id`, `size` of them. Ids grow in the order of commits. The partitions `events_0` to
`events_12` are filled in turn; the next one is emptied before.
"""
