"""Schedules as they are stored, and what becomes of their ticks. `domain/schedule.py` says when these are."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from app.domain import retention, schedule
from app.domain.backoff import LONGEST_MS, Backoff, BackoffType
from app.domain.deduplication import Deduplication, InsertOutcome
from app.domain.job import JsonText, NewJob
from app.domain.schedule import Misfire, Overlap, Timing
from app.domain.states import Status
from app.domain.telemetry import Telemetry

KNOWN_SINCE = "0034"
"""The schema revision from which on programs make ticks."""
ID_MAX = 200
"""The longest id of a schedule, in characters: those of its jobs are longer."""
UTC = "UTC"
TICKS_AT_ONCE = 1_000
"""The most ticks of a schedule that are made in one transaction."""
BESIDES = ":now"
"""The end of the ids of jobs that are added besides the ticks: those of ticks end with digits."""
COUNTED = frozenset({InsertOutcome.CREATED, InsertOutcome.REPLACED, InsertOutcome.DUPLICATE})
"""The outcomes with which a tick has its job. One that is deduplicated, or stored to follow another, has none."""
_FIELDS = NewJob._fields[NewJob._fields.index("opts") + 1 :]


class DuePlace(NamedTuple):
    """A schedule that is due, in the order of the ticks of all queues."""

    next_at: int
    queue: str
    id: str


FIRST_DUE = DuePlace(0, "", "")


class LastJob(StrEnum):
    """How the job of the last tick is, while it is there and has not ended."""

    PENDING = "pending"  # no attempt has begun
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a schedule is to do. Times are ms since the epoch."""

    every_ms: int | None
    offset_ms: int | None
    pattern: str | None
    tz: str | None  # of the pattern
    starts_at: int | None
    ends_at: int | None
    tick_limit: int | None  # it ends after so many ticks with a job
    jitter_ms: int  # the job of a tick is delayed by 0 to so many ms, at random
    misfire: Misfire
    overlap: Overlap
    name: str  # of the jobs, as data and opts
    data: JsonText | None  # None: it was not read, as it is long
    opts: JsonText
    options: str  # what `opts` mean, as `options_of` returns it

    @property
    def timing(self) -> Timing:
        """When it ticks. Raises TimingInvalid, if this machine does not know its time zone, for example."""
        return Timing(
            every_ms=self.every_ms,
            offset_ms=self.offset_ms,
            pattern=self.pattern,
            tz=self.tz or UTC,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )

    def has_timing_of(self, other: "Wanted") -> bool:
        """Whether it ticks at the same times."""
        return all(getattr(self, name) == getattr(other, name) for name in _TIMING)

    @property
    def template(self) -> NewJob:
        """The job of each tick."""
        assert self.data is not None, "the data were read"
        return template_of(self.name, self.data, self.opts, self.options)


WANTED = tuple(field.name for field in dataclasses.fields(Wanted))
_TIMING = ("every_ms", "offset_ms", "pattern", "tz", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Wanted):
    """A schedule as stored."""

    queue: str
    id: str
    next_at: int | None  # the next tick, in ms since the epoch; None: there is none any more
    ticks: int  # with a job
    skipped: int  # ticks without one
    last_tick_at: int | None  # the last tick with a job
    last_number: int | None  # that job
    last_job_id: str | None
    paused_at: datetime | None
    paused_by: str | None  # the id of an `Actor`; None: it is not paused, or an older release did it
    created_at: datetime
    created_by: str
    changed_at: datetime | None
    last: LastJob | None = None  # how that job is; None: it has ended or gone, or was not looked for

    @property
    def is_over(self) -> bool:
        """Whether it has made all ticks that its limit allows."""
        return self.tick_limit is not None and self.ticks >= self.tick_limit

    def is_due(self, now_ms: int) -> bool:
        """Whether a tick is to be made."""
        return self.paused_at is None and self.next_at is not None and self.next_at <= now_ms


class Run(NamedTuple):
    """A job of a schedule, and how it ended, if it has."""

    job_id: str
    status: Status
    added_at: datetime
    begun_at: datetime | None
    finished_at: datetime | None
    attempts_made: int
    failed_reason: str | None
    failed_code: str | None


def options_of(new: NewJob) -> str:
    """Return what the options of a job mean, as JSON: the fields of `NewJob` that are not as they are by default."""
    values = {field: getattr(new, field) for field in _FIELDS}
    return json.dumps(
        {field: _json(value) for field, value in values.items() if value != NewJob._field_defaults[field]}
    )


def _json(value: Any) -> Any:
    match value:
        case Backoff():
            return dataclasses.asdict(value)
        case retention.Keep():
            return value.json
        case Deduplication() | Telemetry():
            return value._asdict()
    return value


def template_of(name: str, data: JsonText, opts: JsonText, options: str) -> NewJob:
    """Return the job that `options_of` was called with. What a later release knows of it, and this one not, is lost."""
    values = {field: value for field, value in json.loads(options).items() if field in _FIELDS}
    for field, value in values.items():
        if field == "backoff":
            values[field] = Backoff(**value | {"type": BackoffType(value["type"])})
        elif field in {"remove_on_complete", "remove_on_fail"}:
            values[field] = retention.of_json(value)
        elif field == "deduplication":
            values[field] = Deduplication(**value)
        elif field == "telemetry":
            values[field] = Telemetry(**value)
    return NewJob(name, data, opts, **values)


def job_of(template: NewJob, job_id: str, *, jitter_ms: int) -> NewJob:
    """Return the job of a tick: that of the template, with an id of its own, later by the jitter."""
    if not jitter_ms:
        return template._replace(custom_id=job_id)
    delay_ms = min(template.delay_ms + jitter_ms, LONGEST_MS)
    # Its options say so, too: where they name no delay, that of the queue holds.
    opts = JsonText(json.dumps(json.loads(template.opts) | {"delay": delay_ms}))
    return template._replace(custom_id=job_id, delay_ms=delay_ms, opts=opts)


def run_id(schedule_id: str, now_ms: int) -> str:
    """Return the id of a job that is added besides the ticks: it is never that of a tick."""
    return f"{schedule.job_id(schedule_id, now_ms)}{BESIDES}"


def is_besides(job_id: str) -> bool:
    """Whether the job of a schedule was added besides its ticks."""
    return job_id.endswith(BESIDES)


class Asked(NamedTuple):
    """What a request wants of a schedule."""

    wanted: Wanted
    is_paused: bool | None  # None: one that is there stays as it is
    immediately: bool  # a new one makes a tick at once, besides


class Ticks(NamedTuple):
    """Ticks that get a job, how many do not, and the next one."""

    made: tuple[int, ...]
    skipped: int
    next_at: int | None


def ticks(one: Schedule, *, now_ms: int, attended_since_ms: int | None = None, most: int = TICKS_AT_ONCE) -> Ticks:
    """Return what becomes of the ticks of a schedule that are due; `most` of them, at least 1. Raises TimingInvalid.

    `attended_since_ms`: as `schedule.due` takes it.
    """
    assert one.next_at is not None
    most = min(most, TICKS_AT_ONCE)
    if one.tick_limit is not None:
        most = max(1, min(most, one.tick_limit - one.ticks))
    due = schedule.due(
        one.timing,
        next_at=one.next_at,
        now=now_ms,
        misfire=one.misfire,
        attended_since=attended_since_ms,
        most=most if one.overlap is Overlap.ALLOW else TICKS_AT_ONCE,  # else one job at most is made of them all
    )
    wanted = due.ticks if one.misfire is Misfire.ALL else _without_overlap(one.overlap, one.last, due.ticks)
    skipped = due.missed + len(due.ticks) - len(wanted)
    made, later = wanted[:most], wanted[most:]
    return Ticks(made, skipped, later[0] if later else due.next_at)


def _without_overlap(overlap: Overlap, last: LastJob | None, due: tuple[int, ...]) -> tuple[int, ...]:
    """Return those ticks that get a job, while the job of the tick before them is as `last` says."""
    match overlap:
        case Overlap.PENDING:
            return () if last is LastJob.PENDING else due[:1]
        case Overlap.SKIP:
            return () if last is not None else due[:1]
        case Overlap.CANCEL:
            return due[-1:]
    return due


def next_of(wanted: Wanted, *, now_ms: int, last_tick_at: int | None = None) -> int | None:
    """Return the next tick from now on of a schedule whose timing is new. Raises TimingInvalid.

    After earlier ticks none comes twice, and an interval begins with the last one.
    """
    timing = wanted.timing
    first = timing.first_tick(now_ms)
    if first is None or last_tick_at is None:
        return first
    if wanted.every_ms is not None and wanted.offset_ms is None:
        first = max(first, last_tick_at + wanted.every_ms)
        return first if wanted.ends_at is None or first <= wanted.ends_at else None
    return timing.next_tick(last_tick_at) if first <= last_tick_at else first


def resumed(one: Schedule, *, now_ms: int) -> int | None:
    """Return the next tick of a schedule that goes on after a pause, in the rhythm that it had; later than now."""
    if one.next_at is None or one.next_at > now_ms:
        return one.next_at
    return schedule.next_after(one.timing, next_at=one.next_at, now=now_ms)


def preview(one: Schedule, *, now_ms: int, count: int) -> list[schedule.Run]:
    """Return the next ticks of a schedule, as if it were not paused, up to its limit. Raises TimingInvalid."""
    if one.next_at is None:
        return []
    if one.tick_limit is not None:
        count = min(count, one.tick_limit - one.ticks)
    first = resumed(one, now_ms=now_ms) if one.paused_at else one.next_at
    return [] if first is None or count < 1 else schedule.runs(one.timing, since=first, count=count, is_tick=True)


def tick_of(schedule_id: str, job_id: str) -> int | None:
    """Return the time of the tick, or of the run besides, of a job; None if the id is not that of one."""
    text = job_id.removeprefix(schedule.job_id(schedule_id, 0)[:-1]).removesuffix(BESIDES)
    return int(text) if text.isascii() and text.isdigit() else None


def same(one: Schedule, wanted: Wanted) -> bool:
    """Whether a schedule is as it is wanted."""
    return all(getattr(one, name) == getattr(wanted, name) for name in WANTED)
