"""The options of a job, in one table: the name, type, limits, column and meaning of each.

Derived from it are the fields of `opts` (`app/web/jobs/new_job.py`), the columns and parameters of the inserts
(`app/store/options.py`), the table in `app/docs/api.md`, and, through a migration's row in `rowline.job_options`, what
`rowline.enqueue` accepts. `NewJob` and the Python client repeat each name, for editors and mypy; tests report what is
missing there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.attempts import LOGS_MAX, STACKS_KEPT
from app.domain.backoff import LONGEST_MS
from app.domain.ids import JOB_ID_MAX
from app.domain.job import ATTEMPTS_MAX, PRIORITY_MAX, START_BY_MAX
from app.domain.retention import COUNT_MAX


class Kind(StrEnum):
    """The type of an option. null counts as absent for all types."""

    WHOLE = "whole"  # an integer from `low` to `high`
    FLAG = "flag"  # true or false
    ID = "id"  # the custom id, as `ids.custom_id_fault` demands
    TEXTS = "texts"  # an array of up to `high` strings of 1 to `longest` characters
    BACKOFF = "backoff"  # a number of ms, or an object
    DEDUPLICATION = "deduplication"  # an object: `deduplication.Deduplication`; not stored with the job
    TELEMETRY = "telemetry"  # an object: `telemetry.Telemetry`; its text in `opts` is all that is stored
    KEPT = "kept"  # which finished jobs are kept: `retention.Keep`
    PLANNED = "planned"  # an option of the contract that is not implemented: rejected by name


KINDS_IN_SQL = [kind for kind in Kind if kind not in {Kind.DEDUPLICATION, Kind.TELEMETRY}]
"""The kinds that `rowline.enqueue` knows. It rejects the others by name."""


INTEGER_END = 2**31
_TYPES = {Kind.FLAG: "boolean", Kind.ID: "text", Kind.TEXTS: "text[]", Kind.KEPT: "json"}
BACKOFF_COLUMNS = {"backoff_type": "text", "backoff_delay_ms": "bigint", "backoff_jitter": "real"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. The default of its field in `NewJob` applies if it is absent."""

    name: str  # in `opts`
    kind: Kind
    field: str = ""  # of `NewJob`, and the column of `rowline.jobs`; a backoff has three columns
    low: int = 0  # the least number
    high: int = 0  # the greatest number; the most strings of an array; the most characters of an id
    longest: int = 0  # the most characters of each string of an array
    is_empty_absent: bool = False  # 0, "" and [] count as absent
    is_defaultable: bool = False  # a queue may have a default for it
    meaning: str = ""  # for the handbook, in Markdown

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns it sets, with their PostgreSQL types; empty for an option that is not implemented."""
        if self.kind is Kind.WHOLE:
            return {self.field: "integer" if self.high < INTEGER_END else "bigint"}
        if self.kind is Kind.BACKOFF:
            return BACKOFF_COLUMNS
        return {self.field: _TYPES[self.kind]} if self.kind in _TYPES else {}


OPTIONS = (
    Option(
        name="attempts",
        kind=Kind.WHOLE,
        field="attempts",
        high=ATTEMPTS_MAX,
        is_empty_absent=True,
        is_defaultable=True,
        meaning="runs that may fail, 0 to 1000; 0 and absent mean 1",
    ),
    Option(
        name="backoff",
        kind=Kind.BACKOFF,
        field="backoff",
        is_defaultable=True,
        meaning='the wait before the next attempt: ms, or `{"type", "delay", "jitter"}`',
    ),
    Option(
        name="delay",
        kind=Kind.WHOLE,
        field="delay_ms",
        high=LONGEST_MS,
        is_defaultable=True,
        meaning="ms before the first attempt, up to ten years",
    ),
    Option(
        name="priority",
        kind=Kind.WHOLE,
        field="priority",
        low=1,
        high=PRIORITY_MAX,
        is_defaultable=True,
        meaning="1 (first) to 2097152 (last); jobs without a priority come before all jobs with one",
    ),
    Option(
        name="lifo",
        kind=Kind.FLAG,
        field="lifo",
        is_defaultable=True,
        meaning="true: add the job to the front of the queue, newest first",
    ),
    Option(
        name="jobId",
        kind=Kind.ID,
        field="custom_id",
        high=JOB_ID_MAX,
        is_empty_absent=True,
        meaning="a custom id, unique in its queue while the job exists; not digits only, and not `repeat:…`, as the "
        "jobs of [schedules](schedules.md) have",
    ),
    Option(
        name="deduplication",
        kind=Kind.DEDUPLICATION,
        field="deduplication",
        meaning='`{"id", "ttl", "extend", "replace", "keepLastIfActive"}`: add no other job with this id for a while, '
        "see [deduplication.md](deduplication.md)",
    ),
    Option(
        name="removeOnComplete",
        kind=Kind.KEPT,
        field="remove_on_complete",
        high=COUNT_MAX,
        meaning="how long it is kept after it has completed, see [queues.md](queues.md#retention)",
    ),
    Option(
        name="removeOnFail",
        kind=Kind.KEPT,
        field="remove_on_fail",
        high=COUNT_MAX,
        meaning="the same after it has failed",
    ),
    Option(
        name="keepLogs",
        kind=Kind.WHOLE,
        field="logs_kept",
        high=LOGS_MAX,
        is_defaultable=True,
        meaning="how many log lines are kept, the newest; default 10,000",
    ),
    Option(
        name="stackTraceLimit",
        kind=Kind.WHOLE,
        field="stacks_kept",
        high=STACKS_KEPT,
        is_defaultable=True,
        meaning="how many stack traces are kept, the newest; default and maximum 100",
    ),
    Option(
        name="timeout",
        kind=Kind.WHOLE,
        field="timeout_ms",
        low=1,
        high=LONGEST_MS,
        is_defaultable=True,
        meaning="the longest an attempt may take, in ms, see [pull.md](pull.md)",
    ),
    Option(name="parent", kind=Kind.PLANNED),
    Option(name="group", kind=Kind.PLANNED),
    Option(
        name="tags",
        kind=Kind.TEXTS,
        field="tags",
        high=10,
        longest=100,
        is_empty_absent=True,
        is_defaultable=True,
        meaning="words to find the job by: up to 10 strings of 1 to 100 characters",
    ),
    Option(
        name="startBy",
        kind=Kind.WHOLE,
        field="start_by",
        low=1,
        high=START_BY_MAX,
        meaning="ms since the epoch: if its first attempt has not begun by then, it fails unrun, "
        "see [queues.md](queues.md#jobs-that-start-too-late)",
    ),
    Option(
        name="telemetry",
        kind=Kind.TELEMETRY,
        field="telemetry",
        meaning='`{"metadata", "omitContext"}`: the trace that the job belongs to, instead of that of the '
        "request, see [tracing.md](tracing.md)",
    ),
)
"""In the order in which the faults of a job are reported."""

STORED = tuple(option for option in OPTIONS if option.field)
"""The options that are implemented."""
DEFAULTABLE = {option.name: option for option in STORED if option.is_defaultable}
"""Those for which a queue may have a default, by name."""
COLUMNS: dict[str, str] = {column: kind for option in STORED for column, kind in option.columns.items()}
"""All columns that options set, with their PostgreSQL types."""
