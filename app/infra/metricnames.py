"""The metrics: their names, in this file alone. Labels never hold jobs, workers, hosts or addresses."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The type of a metric, as Prometheus calls it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """A metric: its name, its help text, its type, and its labels."""

    name: str
    about: str
    kind: Kind = Kind.GAUGE
    labels: tuple[str, ...] = ()


_QUEUE = ("queue",)
JOBS = Metric("rowline_jobs", "Jobs in the queue, by status.", labels=("queue", "status"))
OLDEST_READY = Metric(
    "rowline_queue_oldest_ready_seconds", "How long the job that has been ready longest is ready.", labels=_QUEUE
)
DRAIN = Metric(
    "rowline_queue_drain_seconds",
    "How long the ready jobs take at the pace of the last five full minutes; absent if no job ended in these.",
    labels=_QUEUE,
)
PAUSED = Metric("rowline_queue_paused", "Whether the queue is paused: 1 or 0; of _other how many are.", labels=_QUEUE)
WORKERS = Metric("rowline_queue_workers", "Workers of the queue that were seen within a minute.", labels=_QUEUE)
ADDED = Metric("rowline_jobs_added_total", "Jobs added.", Kind.COUNTER, _QUEUE)
CLAIMED = Metric("rowline_jobs_claimed_total", "Attempts begun: jobs claimed.", Kind.COUNTER, _QUEUE)
COMPLETED = Metric("rowline_jobs_completed_total", "Jobs completed.", Kind.COUNTER, _QUEUE)
FAILED = Metric("rowline_jobs_failed_total", "Jobs failed for good; cancelled ones too.", Kind.COUNTER, _QUEUE)
REMOVED = Metric(
    "rowline_jobs_removed_total", "Jobs removed, by retention, by hand, or as they completed.", Kind.COUNTER, _QUEUE
)
ATTEMPTS = Metric(
    "rowline_attempts_total",
    "Attempts that ended, by outcome: completed, failed (with the job), retried (failed, the job is tried again), "
    "released, stalled.",
    Kind.COUNTER,
    ("queue", "outcome"),
)
WAIT = Metric(
    "rowline_job_wait_seconds",
    "How long jobs had been ready when they were claimed, of the attempts that began.",
    Kind.HISTOGRAM,
    _QUEUE,
)
RUN = Metric(
    "rowline_job_run_seconds", "How long attempts ran, of those that completed or failed.", Kind.HISTOGRAM, _QUEUE
)
UP = Metric("rowline_database_up", "Whether this process could read the metrics of the database: 1 or 0.")
UNFOLDED = Metric("rowline_deltas_unfolded", "Changes of counts that are not folded yet.")
FOLD_AGE = Metric("rowline_fold_age_seconds", "How long the oldest change of counts is not folded; 0: all are.")
SNAPSHOT = Metric(
    "rowline_oldest_snapshot_seconds", "How long the oldest snapshot is held on the database, as far as it is visible."
)
XID_AGE = Metric("rowline_database_xid_age", "The age of the oldest transaction id of the database, in transactions.")
DEAD_ROWS = Metric("rowline_table_dead_rows", "Dead rows of a table, as PostgreSQL estimates.", labels=("table",))
BUILD = Metric("rowline_build_info", "Always 1: what this process runs.", labels=("version", "release", "python"))
REQUESTS = Metric("rowline_http_requests_total", "HTTP requests answered.", Kind.COUNTER, ("route", "method", "status"))
DURATION = Metric(
    "rowline_http_request_duration_seconds",
    "How long requests took, without the time to read the head and to send the response.",
    Kind.HISTOGRAM,
    ("route", "method", "status"),
)
POOL_WAIT = Metric(
    "rowline_pool_wait_seconds",
    "How long those waited for a database connection who found none free.",
    Kind.HISTOGRAM,
)
POOL_IN_USE = Metric("rowline_pool_in_use", "Database connections in use, looked at each second.")
ROUND_TRIP = Metric(
    "rowline_notify_round_trip_seconds", "How long the last pulse took to come back by NOTIFY, with its statement."
)
CALLS = Metric("rowline_endpoint_calls_total", "Calls of endpoints that ended.", Kind.COUNTER, ("queue", "outcome"))
STREAMS = Metric("rowline_event_streams", "Streams of events that are open.")
LAGGED = Metric(
    "rowline_events_lagged_total", "Streams of events that ended because a client was behind.", Kind.COUNTER
)

OF_QUEUES = (
    *(JOBS, OLDEST_READY, DRAIN, PAUSED, WORKERS, ADDED, CLAIMED, COMPLETED, FAILED, REMOVED, ATTEMPTS),
    *(WAIT, RUN),
)
OF_DATABASE = (UP, UNFOLDED, FOLD_AGE, SNAPSHOT, XID_AGE, DEAD_ROWS)
OF_PROCESS = (BUILD, REQUESTS, DURATION, POOL_WAIT, POOL_IN_USE, ROUND_TRIP, CALLS, STREAMS, LAGGED)
METRICS = (*OF_QUEUES, *OF_DATABASE, *OF_PROCESS)
