"""The values that the client sends and receives. Times are in ms since the epoch, durations in ms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, Self

FINAL = frozenset({"completed", "failed"})


def _option(name: str) -> Any:
    """Return a field that is a member of `opts`, left out if it is None."""
    return field(default=None, metadata={"option": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to add. None means the default of the service; `opts` has options without a field here."""

    name: str
    data: Any = None
    attempts: int | None = _option("attempts")  # the job fails after this many failed attempts; default 1
    backoff: int | Mapping[str, Any] | None = _option("backoff")  # ms, or {"type", "delay", "jitter"}
    delay_ms: int | None = _option("delay")
    priority: int | None = _option("priority")  # 1 (first) to 2097152 (last); jobs without one come first
    lifo: bool | None = _option("lifo")
    job_id: str | None = _option("jobId")
    timeout_ms: int | None = _option("timeout")  # the longest one attempt may take
    keep_logs: int | None = _option("keepLogs")  # how many log lines are kept, the newest
    stack_trace_limit: int | None = _option("stackTraceLimit")  # how many stack traces are kept, the newest
    tags: list[str] | tuple[str, ...] | None = _option("tags")  # noqa: RUF009 - a field, as above
    remove_on_complete: bool | int | Mapping[str, int] | None = _option("removeOnComplete")  # see `queueinfo.Kept`
    remove_on_fail: bool | int | Mapping[str, int] | None = _option("removeOnFail")
    start_by: int | None = _option(
        "startBy"
    )  # if its first attempt has not begun by then, it fails; ms since the epoch
    deduplication: Mapping[str, Any] | None = _option("deduplication")  # {"id"}; also ttl, extend, replace, …
    telemetry: Mapping[str, Any] | None = _option("telemetry")  # {"metadata", "omitContext"}: another trace
    opts: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return the JSON for the API."""
        named = {each.metadata["option"]: getattr(self, each.name) for each in fields(self) if each.metadata}
        opts = {**self.opts, **{name: value for name, value in named.items() if value is not None}}
        return {"name": self.name, "data": self.data} | ({"opts": opts} if opts else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job, as it was at the time of the request."""

    id: str
    name: str
    data: Any
    opts: dict[str, Any]
    status: str
    progress: Any  # 0 at first
    attempts_made: int
    stalled_count: int  # leases that ran out
    delay_ms: int  # the current or last delay
    priority: int  # 0 = none
    timestamp: int  # when it was added
    processed_on: int | None  # when it was last claimed
    finished_on: int | None
    failed_reason: str | None  # of the last failure
    stacktrace: tuple[str, ...]
    result: Any  # the value that the attempt returned; None also before it completed
    processed_by: str | None
    tags: tuple[str, ...]  # in the order sent
    attempts_started: int = 0  # claims; it grows with each one, and can serve as a fencing token
    failed_code: str | None = None  # why it has failed for good: failed, cancelled, stalled, timed_out or start_by
    start_by: int | None = None  # it fails if its first attempt has not begun by then; None: it may begin at any time
    effective: dict[str, Any] = field(default_factory=dict)  # the options that hold instead of `opts`
    queue: str | None = None  # its queue, if it was found by `Rowline.jobs`
    hidden: tuple[str, ...] = ()  # the members that this token may not see, without the scope `payload`: None here

    @property
    def is_finished(self) -> bool:
        """Whether it is completed or failed."""
        return self.status in FINAL

    @classmethod
    def of(cls, members: Mapping[str, Any], **more: Any) -> Self:
        """Return the job of a JobJson. Unknown members are ignored."""
        return cls(
            id=members["id"],
            name=members["name"],
            data=members.get("data"),
            opts=members["opts"],
            status=members["status"],
            progress=members.get("progress"),
            attempts_made=members["attemptsMade"],
            attempts_started=members["attemptsStarted"],
            stalled_count=members["stalledCounter"],
            delay_ms=members["delay"],
            priority=members["priority"],
            timestamp=members["timestamp"],
            processed_on=members.get("processedOn"),
            finished_on=members.get("finishedOn"),
            failed_reason=members.get("failedReason"),
            stacktrace=tuple(members.get("stacktrace", ())),
            result=members.get("result"),
            processed_by=members.get("processedBy"),
            tags=tuple(members.get("tags", ())),
            effective=members.get("effective", {}),
            failed_code=members.get("failedCode"),
            start_by=members.get("startBy"),
            queue=members.get("queue"),
            hidden=tuple(members.get("hidden", ())),
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedJob(JobInfo):
    """A job returned by `add`, and what became of the one that was sent.

    `outcome`: created; replaced: added in the place of a delayed one; duplicate: a job with this id exists, and is
    returned; deduplicated: another one holds the deduplication id; stored: it will follow the active one that does.
    """

    outcome: str

    @property
    def is_added(self) -> bool:
        """Whether this is the job that was sent, and not one that is there instead."""
        return self.outcome in {"created", "replaced"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldId:
    """A deduplication id that a job holds."""

    id: str
    job_id: str
    expires_on: int | None  # the end of its window, in ms since the epoch; None: it is held until the job has ended
    has_stored: bool = False  # a job is stored, which follows when the holder has ended

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the id of a response."""
        return cls(
            id=members["id"],
            job_id=members["jobId"],
            expires_on=members.get("expiresOn"),
            has_stored=members.get("hasStored", False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some jobs of a queue, and how many there are in each requested status, at one moment."""

    counts: dict[str, int]
    jobs: tuple[JobInfo, ...]
    start: int
    length: int
    next: str | None = None  # the cursor of the next page, if there may be one

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the page of a response."""
        jobs = tuple(JobInfo.of(job) for job in members["jobs"])
        counts, start, length = members["counts"], members["start"], members["length"]
        return cls(jobs=jobs, counts=counts, start=start, length=length, next=members.get("next"))


class Held(Protocol):
    """Identifies an attempt: a `Lease`, or the `Job` that a handler gets."""

    @property
    def id(self) -> str:
        """The job's id."""

    @property
    def token(self) -> str:
        """The attempt's token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claimed job. No other worker gets it before `locked_until`, unless you settle it; extending moves that time."""

    job: JobInfo
    token: str = field(repr=False)
    locked_until: int

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the lease of a member of the response to a claim."""
        return cls(job=JobInfo.of(members["job"]), token=members["token"], locked_until=members["lockedUntil"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """An extended lease. `cancelled`: a cancel of the job was requested. Fail the attempt; the job is not retried."""

    locked_until: int
    cancelled: bool

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the extended lease of a response."""
        return cls(locked_until=members["lockedUntil"], cancelled=members["cancelled"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The report that an attempt completed, for `Queue.finish`."""

    lease: Held
    returnvalue: Any = None

    def json(self) -> dict[str, Any]:
        """Return the JSON for `finish`."""
        return {"id": self.lease.id, "token": self.lease.token, "returnvalue": self.returnvalue}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The report that an attempt failed, for `Queue.finish`. `unrecoverable`: the job is not retried."""

    lease: Held
    failed_reason: str
    stacktrace: str | None = None
    unrecoverable: bool = False
    delay_ms: int | None = None  # the wait before the next attempt, if there is one, instead of the backoff's

    @property
    def members(self) -> dict[str, Any]:
        """The JSON for `fail`, without the token."""
        optional = {"stacktrace": self.stacktrace, "delay": self.delay_ms}
        given = {name: value for name, value in optional.items() if value is not None}
        return {"failedReason": self.failed_reason, "unrecoverable": self.unrecoverable} | given

    def json(self) -> dict[str, Any]:
        """Return the JSON for `finish`."""
        return {"id": self.lease.id, "token": self.lease.token} | self.members


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The result of `finish`: the status of each job, `lost` if the lease was lost, in order; and the claimed jobs."""

    statuses: tuple[str, ...]
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInfo:
    """One attempt of a job. `outcome` is `running` until it ends."""

    attempt: int
    worker: str | None
    started_on: int
    ended_on: int | None
    outcome: str
    reason: str | None
    hidden: tuple[str, ...] = ()  # as in `JobInfo`

    @classmethod
    def of(cls, members: Mapping[str, Any], *, hidden: Iterable[str] = ()) -> Self:
        """Return the attempt of a member of a response, which says what is `hidden`."""
        return cls(
            attempt=members["attempt"],
            worker=members.get("worker"),
            started_on=members["startedOn"],
            ended_on=members.get("endedOn"),
            outcome=members["outcome"],
            reason=members.get("reason"),
            hidden=tuple(hidden),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Some log lines of a job, oldest first, and how many there are."""

    lines: tuple[str, ...]  # empty if the token lacks the scope `payload`
    count: int
    hidden: tuple[str, ...] = ()  # as in `JobInfo`: `logs`, if the lines are

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the log lines of a response."""
        lines, hidden = (tuple(members.get(name, ())) for name in ("logs", "hidden"))
        return cls(lines=lines, count=members["count"], hidden=hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """An API token, without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    limits: dict[str, int]
    created_on: int
    expires_on: int | None
    revoked_on: int | None
    is_rotating: bool  # a second secret is valid too

    @classmethod
    def of(cls, members: Mapping[str, Any], **more: Any) -> Self:
        """Return the token of a response. Unknown members are ignored."""
        return cls(
            id=members["id"],
            name=members["name"],
            scopes=tuple(members["scopes"]),
            limits=members["limits"],
            created_on=members["createdOn"],
            expires_on=members.get("expiresOn"),
            revoked_on=members.get("revokedOn"),
            is_rotating=members["rotating"],
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken(TokenInfo):
    """A token with its secret, which is shown once: store it now."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Some API tokens, the newest first, and how many there are."""

    tokens: tuple[TokenInfo, ...]
    count: int

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the tokens of a response."""
        return cls(tokens=tuple(map(TokenInfo.of, members["tokens"])), count=members["count"])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An act: who did what, and when. `outcome`: `done`, or `refused` if the token lacked the scope."""

    number: int
    at: int
    actor: str
    actor_name: str | None
    address: str | None
    request_id: str | None
    action: str
    queue: str | None
    target: str | None
    affected: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the act of a member of a response. Unknown members are ignored."""
        return cls(
            number=members["number"],
            at=members["at"],
            actor=members["actor"],
            actor_name=members.get("actorName"),
            address=members.get("address"),
            request_id=members.get("requestId"),
            action=members["action"],
            queue=members.get("queue"),
            target=members.get("target"),
            affected=members["affected"],
            before=members.get("before"),
            after=members.get("after"),
            outcome=members["outcome"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Some acts, the newest first. `next`: the `before` of the next ones, if there may be more."""

    entries: tuple[AuditEntry, ...]
    next: int | None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the acts of a response."""
        return cls(entries=tuple(map(AuditEntry.of, members["entries"])), next=members.get("next"))
