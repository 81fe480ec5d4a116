"""Why a job does not run, and why a queue does: the reasons, the first that blocks first, and one sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from app.domain.attempts import Outcome
from app.domain.endpoint import Limiter
from app.domain.pace import Ahead, Spot, Start
from app.domain.plan import Plan
from app.domain.programs import Program
from app.domain.queue import Pause
from app.domain.states import Status

SCHEDULES_MAX = 3  # so many paused schedules of a queue are told of
REASON_MAX = 200
"""So many characters are shown of the reason of a failure."""


class Code(StrEnum):
    """The reasons, in the order in which they block."""

    PAUSED = "paused"
    DELAYED = "delayed"
    BACKOFF = "backoff"
    NO_WORKER = "no_worker"
    SCHEMA_AHEAD = "schema_ahead"
    ENDPOINT_OFF = "endpoint_off"
    ENDPOINT_PAUSED = "endpoint_paused"
    RATE = "rate"
    START_BY = "start_by"
    PLAN = "plan"
    BEHIND = "behind"
    ACTIVE = "active"
    CANCELLING = "cancelling"
    SCHEDULE_PAUSED = "schedule_paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason. `text` is a clause, `hint` a sentence that says what to do; neither holds contents of a job."""

    code: Code
    text: str
    since: datetime | None = None
    by: str | None = None
    until: datetime | None = None
    hint: str | None = None
    failed_reason: str | None = None  # of the failure that it tells of; contents of a job


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What keeps an endpoint from being called."""

    switched_off_at: datetime | None
    switched_off_reason: str | None
    paused_until: datetime | None
    limiter: Limiter | None
    window_started_at: datetime | None
    window_count: int

    def full_until(self, at: datetime) -> datetime | None:
        """Return until when its limiter lets no call begin; None if it lets one."""
        if self.limiter is None or self.window_started_at is None or self.window_count < self.limiter.max_calls:
            return None
        ends_at = self.window_started_at + timedelta(milliseconds=self.limiter.window_ms)
        return ends_at if ends_at > at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingProgram:
    """Programs that work no jobs, since the schema is not one that they can use."""

    program: str
    release: str  # empty: it names none, and is older than all others
    is_too_old: bool  # for the schema; else the schema is too old for it
    schema: str  # the revision that it would need at least, or that the schema is at


class PausedSchedule(NamedTuple):
    """A schedule that adds no jobs, since somebody paused it."""

    id: str
    paused_at: datetime
    paused_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What holds for all jobs of a queue, at a moment of the database's clock."""

    queue: str
    at: datetime
    pause: Pause | None
    endpoint: EndpointState | None
    workers: int  # seen within a minute, without those that call the endpoint
    dispatchers: int  # that call the endpoint, seen within a minute
    waiting: Sequence[WaitingProgram] = ()  # only known if no worker was seen
    slots: int = 0  # of its Python workers, together
    busy: int = 0  # how many of these run a job, as they said within the last seconds
    has_traces: bool = True  # whether a job of the queue was ever counted, or it has a schedule

    @property
    def is_known(self) -> bool:
        """Whether anything is known of the queue, besides the jobs that it has."""
        return self.has_traces or bool(self.pause or self.endpoint or self.workers or self.dispatchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """What explains the state of a job. Times are aware, by the clock of the database."""

    at: datetime
    queue: str
    id: str
    number: int
    status: Status
    spot: Spot
    run_at: datetime
    added_at: datetime
    delay_ms: int
    attempts_made: int
    attempts: int
    attempts_started: int
    start_by: int | None
    leased_until: datetime | None
    processed_at: datetime | None
    processed_by: str | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    failed_reason: str | None  # the first REASON_MAX characters
    failed_code: str | None
    last_outcome: Outcome | None  # of the last attempt, if it did not complete the job
    last_ended_at: datetime | None
    last_worker: str | None

    @property
    def is_backing_off(self) -> bool:
        """Whether it waits since its last attempt failed, and not for a delay that somebody chose afterwards."""
        if self.last_outcome not in {Outcome.FAILED, Outcome.TIMED_OUT} or self.last_ended_at is None:
            return False
        return self.run_at == self.last_ended_at + timedelta(milliseconds=self.delay_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a job, or a queue, stands where it does, in one snapshot at `at`."""

    status: str
    sentence: str
    reasons: Sequence[Reason]
    at: datetime
    ahead: Ahead | None = None
    start: Start | None = None


BLOCKING = frozenset(
    {Code.PAUSED, Code.DELAYED, Code.BACKOFF, Code.NO_WORKER, Code.SCHEMA_AHEAD}
    | {Code.ENDPOINT_OFF, Code.ENDPOINT_PAUSED, Code.RATE, Code.START_BY}
)
"""While one of these holds, nothing is known of when a job begins."""


def is_blocked(reasons: Iterable[Reason]) -> bool:
    """Return whether any of the reasons keeps jobs from being claimed."""
    return any(reason.code in BLOCKING for reason in reasons)


def means(plan: Plan, job: JobState, *, is_written: bool) -> bool:
    """Return whether a plan that is not finished will look at a job: it wrote it down, or has not come to it yet."""
    if not plan.is_direct:
        return is_written
    wanted, added_ms = plan.wanted, job.added_at.timestamp() * 1000
    is_old_enough = wanted.until_ms is None or added_ms < wanted.until_ms
    ended_ms = None if job.finished_at is None else job.finished_at.timestamp() * 1000
    if wanted.finished_until_ms is not None:
        is_old_enough = ended_ms is not None and ended_ms < wanted.finished_until_ms
    return job.status in wanted.statuses and plan.at < job.number <= plan.until and is_old_enough


def waiting(connected: Iterable[Program], *, schema: str, oldest: str) -> list[WaitingProgram]:
    """Return the programs that work no jobs, since they cannot use the schema at a revision.

    `oldest`: the oldest revision for which programs were written that can use it; empty: its own.
    """
    least = min(oldest or schema, schema)
    return [
        WaitingProgram(
            program=one.name,
            release=one.release,
            is_too_old=one.is_older_than(least),
            schema=least if one.is_older_than(least) else schema,
        )
        for one in connected
        if one.is_older_than(least) or one.release > schema
    ]
