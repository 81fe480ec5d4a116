"""The values that all layers share. JSON stays text (`JsonText`), so that no number and no key order changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, NewType

from app.domain.backoff import Backoff
from app.domain.deduplication import Deduplication
from app.domain.retention import Keep
from app.domain.states import Status
from app.domain.telemetry import Telemetry

JsonText = NewType("JsonText", str)
"""Valid JSON as the client wrote it, stored and returned unchanged."""

PRIORITY_MAX = 2_097_152
ATTEMPTS_MAX = 1_000
START_BY_MAX = 253_402_300_799_999
"""The last ms of the year 9999, in ms since the epoch."""


class NewJob(NamedTuple):
    """A job as requested: every field is set by the client or has its default from the contract.

    This and `Job` are tuples: thousands are made a second, each in a tenth of the time that a frozen dataclass takes.
    """

    name: str  # set by the client; the worker chooses the handler by it
    data: JsonText  # set by the client, for the handler
    opts: JsonText = JsonText("{}")  # the options as the client sent them; the fields below are what they mean
    custom_id: str | None = None  # `jobId`: unique in the queue; None: the id is the number that the insert generates
    priority: int = 0  # 0 = none, claimed before all others; else 1 (first) to PRIORITY_MAX (last)
    lifo: bool = False  # whether it is added to the front of the jobs of its priority
    delay_ms: int = 0  # `delay`: ms from the insert until it is due; 0 = ready at once
    attempts: int = 1  # the job fails after this many failed attempts, at least 1; releases and stalls do not count
    backoff: Backoff | None = None  # the delay after each failed attempt; None = none
    timeout_ms: int | None = None  # `timeout`: the longest one attempt may take, in ms; None = no limit
    stacks_kept: int | None = None  # `stackTraceLimit`: how many stack traces are kept; None = `attempts.STACKS_KEPT`
    logs_kept: int | None = None  # `keepLogs`: how many log lines are kept; None = `attempts.LOGS_KEPT`
    tags: Sequence[str] | None = None  # to find the job by, in the order sent; None = none
    remove_on_complete: Keep | None = None  # how long it is kept once completed; None: as its queue or the service says
    remove_on_fail: Keep | None = None  # the same once it has failed
    start_by: int | None = None  # `startBy`: ms since the epoch; it fails if its first attempt has not begun by then
    deduplication: Deduplication | None = None  # whether another job with its id is added while this one holds the id
    telemetry: Telemetry | None = None  # what `opts` says of its trace


class Job(NamedTuple):
    """A job as stored; the fields have the names of the columns. Times are aware, by the clock of the database."""

    queue: str  # set by the insert
    number: int  # set by the insert: ascending in the order of insertion, from one sequence for all queues
    custom_id: str | None  # set by the insert, as in `NewJob`
    name: str  # set by the insert; a change by hand sets it, as the next, priority, lifo, delay_ms and tags
    data: JsonText  # set by the insert
    opts: JsonText  # set by the insert, as the client sent them; a change by hand leaves them
    status: Status  # changed by the events of `states.TRANSITIONS`
    priority: int  # set by the insert, as in `NewJob`
    lifo: bool  # set by the insert
    delay_ms: int  # the last delay in ms: set by the insert, a retry (the backoff) and a release with a delay
    run_at: datetime  # when it became or will become ready: set with the delay; a stall and a plain release keep it
    timeout_ms: int | None  # set by the insert: the longest one attempt may take, in ms
    attempts_made: int  # attempts that completed or failed: each complete, fail and retry adds 1
    attempts_started: int  # claims: each claim adds 1, also if the job is released or stalls afterwards
    stalled_count: int  # leases that ran out: each recovery adds 1
    progress: JsonText  # set by the worker during an attempt; 0 until then
    result: JsonText | None  # set by complete
    failed_reason: str | None  # set by each failure, by the stall that was one too many, and by a cancel: the last one
    stacktrace: Sequence[str]  # each failure may add one; oldest first, the newest `stacks_kept` are kept
    added_at: datetime  # set by the insert
    processed_at: datetime | None  # when it was claimed last; None before the first claim. Clients see `begun_at`
    finished_at: datetime | None  # when it completed or failed; None in every other status
    processed_by: str | None  # the worker of the last claim; None before the first claim; a retry by hand clears it
    tags: Sequence[str] | None  # set by the insert, as in `NewJob`
    failed_code: str | None  # of `attempts.FailedCode`, set when it fails for good; a retry by hand will clear it
    start_by: int | None  # set by the insert, and by what makes it ready first (`startWithin`); a retry clears it
    effective: JsonText | None  # the options that hold instead of `opts`, by a default of the queue or a change by hand

    @property
    def id(self) -> str:
        """The id in the API: the custom id, or else the number."""
        return self.custom_id if self.custom_id is not None else str(self.number)

    @property
    def begun_at(self) -> datetime | None:
        """When it was claimed last; None before the first claim, and from a retry by hand to the next claim."""
        return None if self.processed_by is None else self.processed_at

    @property
    def size(self) -> int:
        """The length of its texts in a response, in characters; the result is there twice."""
        texts = (self.data, self.opts, self.progress, self.result or "", self.result or "", self.failed_reason or "")
        return sum(map(len, texts)) + sum(map(len, self.stacktrace))


class JobKey(NamedTuple):
    """Identifies a job for good: another one may have its custom id later."""

    queue: str
    number: int


class LeaseKey(NamedTuple):
    """Identifies a lease: the number of the job and the token of the claim."""

    number: int
    token: str


class ClaimedJob(NamedTuple):
    """A job claimed by a Python worker: the part of it that the handler gets."""

    key: LeaseKey
    id: str  # as in `Job`
    name: str
    data: JsonText
    opts: JsonText
    priority: int
    attempt: int  # 1 = the first
    timestamp: int  # when the job was added, in ms since the epoch
    timeout_ms: int | None  # of this attempt, in ms
    stalled_count: int  # earlier leases of the job that ran out


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claimed job: no other worker gets it before `until`, unless the lease ends earlier."""

    job: Job
    token: str
    until: datetime

    @property
    def key(self) -> LeaseKey:
        """What identifies the lease."""
        return LeaseKey(number=self.job.number, token=self.token)

    @property
    def taken(self) -> ClaimedJob:
        """The part of the job that a handler gets."""
        job = self.job
        return ClaimedJob(
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
    """The report that an attempt completed, with its result."""

    lease: LeaseKey
    result: JsonText


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The report that an attempt failed, or exceeded its timeout. `unrecoverable`: the job is not retried."""

    lease: LeaseKey
    reason: str
    stack: str | None = None
    unrecoverable: bool = False
    delay_ms: int | None = None  # the delay before the next attempt, if there is one; None: by the job's backoff
    least_delay_ms: int = 0  # the minimum of either
    is_timeout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The report that a worker gives a job back: it waits `delay_ms`, or is ready at its old place if that is 0."""

    lease: LeaseKey
    delay_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is changed of a job by hand; None leaves it as it is."""

    data: JsonText | None = None
    name: str | None = None
    priority: int | None = None  # 0 takes it away
    lifo: bool | None = None
    delay_ms: int | None = None  # from now
    attempts: int | None = None  # at least 1
    tags: Sequence[str] | None = None  # empty: none


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJob:
    """What the verbs of one job decide by, and what the audit says of it, while its row is locked."""

    number: int
    status: Status
    lease_token: str | None  # of the last claim
    attempts_made: int
    name: str
    priority: int
    lifo: bool
    delay_ms: int
    attempts: int
    tags: Sequence[str] | None
    opts: JsonText
    effective: JsonText | None
    goes: bool  # whether it says itself that it is removed when it fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A lease that is still held, and whether a cancel of its job was requested."""

    until: datetime
    is_cancelled: bool
    worker: str | None = None  # the one that claimed the job; None over HTTP
