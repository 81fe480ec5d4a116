"""Schedules: jobs of a queue that are added again and again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, TypedDict

from rowline.transport import Answer, Call, Transport, quoted
from rowline.values import AddedJob, NewJob

Length = timedelta | int
"""A length of time; an int is in ms."""
Moment = datetime | int
"""A datetime with a time zone; an int is in ms since the epoch."""


class Timing(TypedDict, total=False):
    """When a schedule ticks: by `cron` or by `every`."""

    cron: str | None  # five fields, or six, with the seconds in front; or @daily and its like
    tz: str | None  # of `cron`, such as "Europe/Vienna"; default: UTC
    every: Length | None  # at once, or at `start_date`, and then in this rhythm
    offset: Length | None  # with `every`: tick at its multiples since the epoch, so much later
    start_date: Moment | None  # no tick before
    end_date: Moment | None  # none after


class Options(TypedDict, total=False):
    """The options of the jobs of a schedule: the fields of `NewJob` that such jobs may have."""

    attempts: int | None
    backoff: int | Mapping[str, Any] | None
    delay_ms: int | None
    priority: int | None
    lifo: bool | None
    timeout_ms: int | None
    keep_logs: int | None
    stack_trace_limit: int | None
    tags: list[str] | tuple[str, ...] | None
    remove_on_complete: bool | int | Mapping[str, int] | None
    remove_on_fail: bool | int | Mapping[str, int] | None
    deduplication: Mapping[str, Any] | None
    telemetry: Mapping[str, Any] | None
    opts: Mapping[str, Any]


class Wanted(Timing, Options, total=False):
    """What `Queue.schedule` takes besides."""

    limit: int | None  # it ends after so many ticks that got a job
    immediately: bool | None  # a new one ticks at once, besides; not with `start_date`
    jitter: Length | None  # the job of a tick is delayed by up to so much, at random
    misfire: str | None  # of ticks that nobody was there for: once (default), skip or all
    overlap: str | None  # while the job of the last tick is there: pending (default), skip, allow or cancel
    paused: bool | None  # None: as it is; a new one is not paused


_MEMBERS = {
    "cron": "pattern",
    "start_date": "startDate",
    "end_date": "endDate",
    **{name: name for name in ("tz", "every", "offset")},
    **{name: name for name in ("limit", "immediately", "jitter", "misfire", "overlap", "paused")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick to come."""

    on: int  # ms since the epoch
    local: str  # the time in the time zone of the schedule
    note: str | None  # what a change of the clocks does to it

    @classmethod
    def all_of(cls, members: Mapping[str, Any]) -> tuple[Self, ...]:
        """Return the ticks of a response."""
        return tuple(cls(on=one["on"], local=one["local"], note=one.get("note")) for one in members["runs"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A job of a schedule, and how it ended. Times are ms since the epoch."""

    job_id: str
    on: int  # its tick
    is_besides: bool  # somebody had it run, besides the ticks
    status: str
    timestamp: int  # when it was added
    processed_on: int | None  # when it was last claimed
    finished_on: int | None
    attempts_made: int
    failed_reason: str | None
    failed_code: str | None

    @classmethod
    def all_of(cls, members: Mapping[str, Any]) -> tuple[Self, ...]:
        """Return the jobs of a response. Unknown members are ignored."""
        return tuple(map(cls._of, members["runs"]))

    @classmethod
    def _of(cls, members: Mapping[str, Any]) -> Self:
        return cls(
            job_id=members["jobId"],
            on=members["on"],
            is_besides=members["isBesides"],
            status=members["status"],
            timestamp=members["timestamp"],
            processed_on=members.get("processedOn"),
            finished_on=members.get("finishedOn"),
            attempts_made=members["attemptsMade"],
            failed_reason=members.get("failedReason"),
            failed_code=members.get("failedCode"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """A schedule as it stood when it was looked at. Times are ms since the epoch, lengths of time ms."""

    id: str
    queue: str
    name: str  # of its jobs
    cron: str | None
    tz: str | None  # of `cron`
    every_ms: int | None
    offset_ms: int | None
    start_date: int | None
    end_date: int | None
    limit: int | None
    jitter_ms: int | None
    misfire: str  # once, skip or all
    overlap: str  # pending, skip, allow or cancel
    is_paused: bool
    paused_on: int | None
    paused_by: str | None  # as in the audit; None: it is not paused, or it is not known
    next_on: int | None  # the next tick; None: it is paused, or there is none any more
    iteration_count: int  # ticks that got a job
    skipped_count: int  # ticks that got none
    last_on: int | None  # the last tick that got a job
    last_job_id: str | None  # that job, which may have been removed
    created_on: int
    created_by: str  # as in the audit
    changed_on: int | None
    data: Any  # of its jobs; None also if it is hidden
    opts: dict[str, Any]  # of its jobs
    hidden: tuple[str, ...]  # template.data: the token lacks the scope `payload`, or they are too long for a list

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the schedule of a response. Unknown members are ignored."""
        template = members["template"]
        return cls(
            id=members["id"],
            queue=members["queue"],
            name=members["name"],
            cron=members.get("pattern"),
            tz=members.get("tz"),
            every_ms=members.get("every"),
            offset_ms=members.get("offset"),
            start_date=members.get("startDate"),
            end_date=members.get("endDate"),
            limit=members.get("limit"),
            jitter_ms=members.get("jitter"),
            misfire=members["misfire"],
            overlap=members["overlap"],
            is_paused=members["paused"],
            paused_on=members.get("pausedOn"),
            paused_by=members.get("pausedBy"),
            next_on=members.get("next"),
            iteration_count=members["iterationCount"],
            skipped_count=members["skippedCount"],
            last_on=members.get("lastOn"),
            last_job_id=members.get("lastJobId"),
            created_on=members["createdOn"],
            created_by=members["createdBy"],
            changed_on=members.get("changedOn"),
            data=template.get("data"),
            opts=template["opts"],
            hidden=tuple(members.get("hidden", ())),
        )

    @classmethod
    def all_of(cls, members: Mapping[str, Any]) -> tuple[Self, ...]:
        """Return the schedules of a response."""
        return tuple(map(cls.of, members["schedulers"]))


class Schedule:
    """A schedule of a queue, returned by `Queue.schedule`. `info` is what was heard of it last."""

    def __init__(self, transport: Transport, path: str, info: ScheduleInfo) -> None:
        """Take the schedule below `path`, that of its queue's schedules."""
        self._transport, self._path = transport, f"{path}/{quoted(info.id)}"
        self.info = info

    def __repr__(self) -> str:
        heard = self.info
        timing = f"every {heard.every_ms} ms" if heard.cron is None else f"{heard.cron!r} {heard.tz}"
        goes_on = "paused" if heard.is_paused else "over" if heard.next_on is None else f"next {heard.next_on}"
        return f"<Schedule {heard.id!r}, {timing}, {goes_on}, {heard.iteration_count} done>"

    @property
    def id(self) -> str:
        """Its id."""
        return self.info.id

    def look(self) -> Self:
        """Look at it again. Raises NotFound if it was removed."""
        return self._heard("GET", "")

    def pause(self) -> Self:
        """Pause it: after this it makes no ticks. One that is paused stays so."""
        return self._heard("POST", "/pause")

    def resume(self) -> Self:
        """Resume it, in its rhythm: it goes on with the next tick from now on; those of the pause are left out."""
        return self._heard("POST", "/resume")

    def run(self) -> AddedJob:
        """Add a job of it now, besides the ticks, also if it is paused or over; return the job.

        Not retried if the response may be lost (Unavailable, `is_outcome_unknown`).
        """
        return self._send("POST", "/run", is_repeatable=False).read(
            lambda job: AddedJob.of(job, outcome=job["outcome"])
        )

    def preview(self, count: int = 10, *, since: Moment | None = None) -> tuple[Tick, ...]:
        """Return the next ticks, 100 at most, as if it were not paused; with `since` those from then on."""
        query = {"count": count} | ({} if since is None else {"since": _plain("since", since)})
        return self._send("GET", "/preview", query=query).read(Tick.all_of)

    def runs(self, *, start: int = 0, length: int = 10) -> tuple[RunInfo, ...]:
        """Return its jobs that are there, the newest tick first, 100 at most."""
        return self._send("GET", "/runs", query={"start": start, "length": length}).read(RunInfo.all_of)

    def remove(self) -> ScheduleInfo:
        """Remove it; return it as it was. The jobs of its ticks stay.

        Raises NotFound, also if the response to an earlier try was lost.
        """
        return self._send("DELETE", "").read(ScheduleInfo.of)

    def _heard(self, method: str, path: str) -> Self:
        self.info = self._send(method, path).read(ScheduleInfo.of)
        return self

    def _send(self, method: str, path: str, **more: Any) -> Answer:
        return self._transport.send(Call(method=method, path=self._path + path, **more))


def json_of(wanted: Mapping[str, Any], *, name: str, data: Any) -> dict[str, Any]:
    """Return the body that makes a schedule. Raises TypeError for an unknown word, ValueError for a naive datetime."""
    members = timing_json({word: value for word, value in wanted.items() if word not in Options.__annotations__})
    options: Any = {word: value for word, value in wanted.items() if word in Options.__annotations__}
    return members | {"template": NewJob(name=name, data=data, **options).json()}


def timing_json(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that say when a schedule ticks, and how. Raises as `json_of` does."""
    if unknown := wanted.keys() - _MEMBERS.keys():
        raise TypeError(f"there is no {', '.join(sorted(unknown))}: a schedule has {', '.join(sorted(_MEMBERS))}")
    return {_MEMBERS[word]: _plain(word, value) for word, value in wanted.items() if value is not None}


def _plain(word: str, value: Any) -> Any:
    match value:
        case timedelta():
            return value // timedelta(milliseconds=1)
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{word} must have a time zone: {value!r} has none")
            return round(value.timestamp() * 1000)
    return value
