"""The tables of settings: of queues, and of the service."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from app.domain.backoff import LONGEST_MS
from app.domain.ids import QUEUE_NAME_MAX
from app.domain.queue import REASON_MAX
from app.store.columns import NAME, WHEN, metadata

queue_settings = Table(
    "queue_settings",
    metadata,
    Column("queue", NAME, nullable=False),
    Column("paused_at", WHEN),
    Column("paused_by", NAME),
    Column("pause_reason", Text),
    Column("remove_on_complete", JSON),
    Column("remove_on_fail", JSON),
    Column("start_within_ms", BigInteger),
    Column("defaults", JSON),  # as shown
    Column("applied_defaults", JSON),  # those that are others than the service's; null: none are
    Column("keys", ARRAY(NAME)),  # paths into the data by which jobs are found at once
    PrimaryKeyConstraint("queue", name="queue_settings_pkey"),
    CheckConstraint(f"char_length(queue) between 1 and {QUEUE_NAME_MAX}", name="queue_settings_queue"),
    CheckConstraint(
        "num_nulls(paused_at, paused_by) in (0, 2) and (paused_at is not null or pause_reason is null) "
        f"and char_length(pause_reason) between 1 and {REASON_MAX}",
        name="queue_settings_pause",
    ),
    CheckConstraint(f"start_within_ms between 1 and {LONGEST_MS}", name="queue_settings_start_within"),
)
"""The settings of queues, one column each. Only queues with a setting have a row.

Rarely written: claims and settlements write elsewhere, so that reading a setting passes no dead rows.
"""

settings = Table(
    "settings",
    metadata,
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    Column("remove_on_complete", JSON),
    Column("remove_on_fail", JSON),
    PrimaryKeyConstraint("is_only", name="settings_pkey"),
    CheckConstraint("is_only", name="settings_is_only"),
)
"""One row: the settings of the service, which hold for queues that have none of their own."""
