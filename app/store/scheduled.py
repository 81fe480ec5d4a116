"""The table of schedules."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, PrimaryKeyConstraint, Table, text
from sqlalchemy.dialects.postgresql import JSON

from app.store.columns import NAME, WHEN, metadata

schedules = Table(
    "schedules",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("id", NAME, nullable=False),
    # Ticks, and what they are counted from, are whole ms since the epoch, as the ids of their jobs say them.
    Column("every_ms", BigInteger),
    Column("offset_ms", BigInteger),  # null: from the first tick
    Column("pattern", NAME),
    Column("tz", NAME),
    Column("starts_at", BigInteger),
    Column("ends_at", BigInteger),
    Column("tick_limit", BigInteger),
    Column("jitter_ms", BigInteger, nullable=False),
    Column("misfire", NAME, nullable=False),
    Column("overlap", NAME, nullable=False),
    Column("name", NAME, nullable=False),  # of its jobs, as the next two
    Column("data", JSON, nullable=False),
    Column("data_bytes", BigInteger, nullable=False),  # how long they are as text: to ask them for that reads them
    Column("opts", JSON, nullable=False),
    Column("options", JSON, nullable=False),  # what `opts` mean, as `domain/scheduled.py` writes it
    Column("next_at", BigInteger),  # the next tick; null: there is none any more
    Column("ticks", BigInteger, nullable=False, server_default=text("0")),  # with a job
    Column("skipped", BigInteger, nullable=False, server_default=text("0")),  # ticks without one
    Column("last_tick_at", BigInteger),  # the last tick with a job
    Column("last_number", BigInteger),  # that job
    Column("last_job_id", NAME),
    Column("paused_at", WHEN),
    Column("created_at", WHEN, nullable=False, server_default=text("statement_timestamp()")),
    Column("created_by", NAME, nullable=False),
    Column("changed_at", WHEN),
    Column("paused_by", NAME),  # it says nothing of one that is not paused
    PrimaryKeyConstraint("queue", "id", name="schedules_pkey"),
    CheckConstraint("(every_ms is null) <> (pattern is null)", name="schedules_timing"),
)
"""Schedules, until somebody removes them."""

# Of all queues: to find out that nothing is due takes one probe, however many there are. What holds or changes
# schedules names their ids, and the next tick comes first, so that no statement of one queue is planned through it.
Index(
    "schedules_due",
    schedules.c.next_at,
    schedules.c.queue,
    schedules.c.id,
    postgresql_where=text("next_at is not null and paused_at is null"),
)
