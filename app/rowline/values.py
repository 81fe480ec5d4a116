"""What the client sends and gets, as values. Times are in ms since the epoch, durations in ms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, Self

FINAL = frozenset({"completed", "failed"})


def _option(name: str) -> Any:
    """Make a field that is a member of `opts`; None leaves it out."""
    return field(default=None, metadata={"option": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to add. What is None is left to the service; `opts` holds options that have no field here."""

    name: str
    data: Any = None
    attempts: int | None = _option("attempts")  # runs that may fail
    backoff: int | Mapping[str, Any] | None = _option("backoff")  # ms, or {"type", "delay", "jitter"}
    delay_ms: int | None = _option("delay")
    priority: int | None = _option("priority")  # 1 (first) .. 2097152
    lifo: bool | None = _option("lifo")
    job_id: str | None = _option("jobId")
    timeout_ms: int | None = _option("timeout")  # of one attempt
    keep_logs: int | None = _option("keepLogs")  # lines, the newest
    stack_trace_limit: int | None = _option("stackTraceLimit")  # stack traces, the newest
    tags: list[str] | tuple[str, ...] | None = _option("tags")  # noqa: RUF009 - a field, as above
    opts: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return the Job of the API."""
        named = {each.metadata["option"]: getattr(self, each.name) for each in fields(self) if each.metadata}
        opts = {**self.opts, **{name: value for name, value in named.items() if value is not None}}
        return {"name": self.name, "data": self.data} | ({"opts": opts} if opts else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job as it was when it was asked for."""

    id: str
    name: str
    data: Any
    opts: dict[str, Any]
    status: str
    progress: Any  # 0 at first
    attempts_made: int
    stalled_count: int  # leases that were lost
    delay_ms: int  # what it waits or last waited
    priority: int  # 0 = none
    timestamp: int  # when it was added
    processed_on: int | None  # when it was last claimed
    finished_on: int | None
    failed_reason: str | None  # the last failure's
    stacktrace: tuple[str, ...]
    result: Any  # the value itself; None also where there is none yet
    processed_by: str | None
    tags: tuple[str, ...]  # in the order sent

    @property
    def is_finished(self) -> bool:
        """Whether it is completed or failed, and nothing more will come of itself."""
        return self.status in FINAL

    @classmethod
    def of(cls, told: Mapping[str, Any], **more: Any) -> Self:
        """Read a JobJson. Members that are not known here are passed over."""
        return cls(
            id=told["id"],
            name=told["name"],
            data=told["data"],
            opts=told["opts"],
            status=told["status"],
            progress=told["progress"],
            attempts_made=told["attemptsMade"],
            stalled_count=told["stalledCounter"],
            delay_ms=told["delay"],
            priority=told["priority"],
            timestamp=told["timestamp"],
            processed_on=told.get("processedOn"),
            finished_on=told.get("finishedOn"),
            failed_reason=told.get("failedReason"),
            stacktrace=tuple(told["stacktrace"]),
            result=told.get("result"),
            processed_by=told.get("processedBy"),
            tags=tuple(told.get("tags", ())),
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedJob(JobInfo):
    """A job in the answer to adding. `outcome`: `created`, or `duplicate` where the id existed: then it is that job."""

    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some jobs of a queue, and how many there are of each status asked for, all at one moment."""

    counts: dict[str, int]
    jobs: tuple[JobInfo, ...]
    start: int
    length: int
    next: str | None = None  # how to go on where an answer ended early, or one that was asked for so was full

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read the answer to listing."""
        jobs = tuple(JobInfo.of(job) for job in told["jobs"])
        members = {name: told[name] for name in ("counts", "start", "length")}
        return cls(jobs=jobs, next=told.get("next"), **members)


class Held(Protocol):
    """What names an attempt: a `Lease`, or the `Job` that a handler gets."""

    @property
    def id(self) -> str:
        """The job's id."""

    @property
    def token(self) -> str:
        """The attempt's token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claimed job: yours until `locked_until`, unless you extend or end it."""

    job: JobInfo
    token: str = field(repr=False)
    locked_until: int

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read one job of the answer to a claim."""
        return cls(job=JobInfo.of(told["job"]), token=told["token"], locked_until=told["lockedUntil"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A lease that holds on. `cancelled`: somebody wants the job to stop: fail it, and it will not be tried again."""

    locked_until: int
    cancelled: bool

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read the answer to extending."""
        return cls(locked_until=told["lockedUntil"], cancelled=told["cancelled"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The word that an attempt went well."""

    lease: Held
    returnvalue: Any = None

    def json(self) -> dict[str, Any]:
        """Return the member of `finish`."""
        return {"id": self.lease.id, "token": self.lease.token, "returnvalue": self.returnvalue}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The word that an attempt failed. `unrecoverable` skips the attempts that are left."""

    lease: Held
    failed_reason: str
    stacktrace: str | None = None
    unrecoverable: bool = False

    def json(self) -> dict[str, Any]:
        """Return the member of `finish`."""
        told = {"id": self.lease.id, "token": self.lease.token, "failedReason": self.failed_reason}
        stack = {} if self.stacktrace is None else {"stacktrace": self.stacktrace}
        return told | stack | {"unrecoverable": self.unrecoverable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer to `finish`: each job's status in the order sent, `lost` where the lease was; and what was claimed."""

    statuses: tuple[str, ...]
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInfo:
    """One attempt at a job. `outcome` is `running` until it has ended."""

    attempt: int
    worker: str | None
    started_on: int
    ended_on: int | None
    outcome: str
    reason: str | None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read one attempt."""
        return cls(
            attempt=told["attempt"],
            worker=told.get("worker"),
            started_on=told["startedOn"],
            ended_on=told.get("endedOn"),
            outcome=told["outcome"],
            reason=told.get("reason"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Some lines of a job's log, oldest first, and how many there are in all."""

    lines: tuple[str, ...]
    count: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read the answer to asking for the log."""
        return cls(lines=tuple(told["logs"]), count=told["count"])
