"""The values that travel through the layers. JSON stays text (`JsonText`), so that no number or key order changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, NewType

from app.domain.backoff import Backoff
from app.domain.states import Status

JsonText = NewType("JsonText", str)
"""Valid JSON as somebody wrote it, stored and given back to the letter."""

PRIORITY_MAX = 2_097_152
ATTEMPTS_MAX = 1_000


class NewJob(NamedTuple):
    """A job as asked for. Every field is set by the client, or has the default of the contract.

    This and `Job` are tuples: thousands are made a second, each in a tenth of the time that a frozen dataclass takes.
    """

    name: str
    data: JsonText
    opts: JsonText = JsonText("{}")  # as sent
    custom_id: str | None = None
    priority: int = 0  # 0 = none, else 1 (first) .. PRIORITY_MAX
    lifo: bool = False
    delay_ms: int = 0
    attempts: int = 1  # runs that may fail, at least 1
    backoff: Backoff | None = None
    timeout_ms: int | None = None  # of one attempt
    stacks_kept: int | None = None  # stack traces, the newest; None = `attempts.STACKS_KEPT`
    logs_kept: int | None = None  # log lines, the newest; None = `attempts.LOGS_KEPT`
    tags: Sequence[str] | None = None  # in the order sent; None = none


class Job(NamedTuple):
    """A job as stored, its fields named as the columns. Times are aware, by the database's clock."""

    queue: str
    number: int  # the id in the table, growing in the order of insertion
    custom_id: str | None
    name: str
    data: JsonText
    opts: JsonText
    status: Status
    priority: int
    lifo: bool
    delay_ms: int  # what it waits or last waited: opts.delay at first, the backoff after a failure
    run_at: datetime  # when it joined or will join the line
    timeout_ms: int | None  # of one attempt
    attempts_made: int  # attempts that ended, well or badly
    attempts_started: int  # claims: grows with each lease, also when the job is handed back unharmed
    stalled_count: int  # leases that ran out
    progress: JsonText
    result: JsonText | None  # set by completing
    failed_reason: str | None  # the last failure's
    stacktrace: Sequence[str]  # one entry a failed attempt, oldest first
    added_at: datetime
    processed_at: datetime | None  # the last claim
    finished_at: datetime | None  # exactly when completed or failed
    processed_by: str | None  # the worker of the last claim
    tags: Sequence[str] | None  # as `NewJob.tags`

    @property
    def id(self) -> str:
        """The id on the wire: the client's own, else the number."""
        return self.custom_id if self.custom_id is not None else str(self.number)

    @property
    def size(self) -> int:
        """How long its texts are in an answer, in characters."""
        texts = (self.data, self.opts, self.progress, self.result or "", self.result or "", self.failed_reason or "")
        return sum(map(len, texts)) + sum(map(len, self.stacktrace))


class LeaseKey(NamedTuple):
    """What a worker names to act on a job it holds: the job's number and the token of its claim."""

    number: int
    token: str


class Taken(NamedTuple):
    """A job that a worker has taken: as much of it as its handler is told."""

    key: LeaseKey
    id: str  # as of `Job`
    name: str
    data: JsonText
    opts: JsonText
    priority: int
    attempt: int  # 1 = the first
    timestamp: int  # when it was added, ms since the epoch
    timeout_ms: int | None  # of this attempt
    stalled_count: int  # leases of it that were lost before


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claimed job: nobody else gets it before `until`, unless the lease is given up."""

    job: Job
    token: str
    until: datetime

    @property
    def key(self) -> LeaseKey:
        """What the worker names to act on the job."""
        return LeaseKey(number=self.job.number, token=self.token)

    @property
    def taken(self) -> Taken:
        """What a handler is told."""
        job = self.job
        return Taken(
            key=self.key,
            id=job.id,
            name=job.name,
            data=job.data,
            opts=job.opts,
            priority=job.priority,
            attempt=job.attempts_made + 1,
            timestamp=int(job.added_at.timestamp() * 1000),
            timeout_ms=job.timeout_ms,
            stalled_count=job.stalled_count,
        )


class Completion(NamedTuple):
    """A worker's word that an attempt went well."""

    lease: LeaseKey
    result: JsonText


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The word that an attempt failed: a worker's, or time's. `unrecoverable` skips the attempts that are left."""

    lease: LeaseKey
    reason: str
    stack: str | None = None
    unrecoverable: bool = False
    least_delay_ms: int = 0  # the next attempt, if there is one, waits at least so long
    is_timeout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A worker's word that it will not go on: the job waits `delay_ms`, or goes back to its place if that is 0."""

    lease: LeaseKey
    delay_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A lease that is still held, and whether somebody wants its job to stop."""

    until: datetime
    is_cancelled: bool
