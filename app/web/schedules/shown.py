"""The JSON of a schedule, of its ticks and of its jobs."""

from collections.abc import Sequence
from typing import Any

from marshmallow import Schema, fields

from app.domain import scheduled
from app.domain.schedule import Misfire, Overlap
from app.domain.schedule import Run as Tick
from app.domain.scheduled import Run, Schedule
from app.domain.states import Status
from app.wire.fields import Json, Milliseconds, milliseconds


class ShownTemplateSchema(Schema):
    """The job of each tick, as sent."""

    name = fields.String(required=True)
    data = Json()
    opts = Json(required=True, metadata={"type": "object"})


class SchedulerSchema(Schema):
    """A schedule. What there is not is omitted."""

    id = fields.String(required=True)
    key = fields.String(required=True, metadata={"description": "the same, as BullMQ calls it"})
    queue = fields.String(required=True)
    name = fields.String(required=True, metadata={"description": "of its jobs"})
    every = fields.Integer()
    offset = fields.Integer()
    pattern = fields.String()
    tz = fields.String()
    startDate = fields.Integer(metadata={"description": "ms since the epoch, as all times"})
    endDate = fields.Integer()
    limit = fields.Integer()
    jitter = fields.Integer()
    misfire = fields.String(required=True, metadata={"enum": [word.value for word in Misfire]})
    overlap = fields.String(required=True, metadata={"enum": [word.value for word in Overlap]})
    paused = fields.Boolean(required=True)
    pausedOn = Milliseconds()
    pausedBy = fields.String(metadata={"description": "who paused it, as in the audit; absent: it is not known"})
    next = fields.Integer(metadata={"description": "the next tick; absent: it is paused, or there is none any more"})
    iterationCount = fields.Integer(required=True, metadata={"description": "ticks that got a job"})
    skippedCount = fields.Integer(required=True, metadata={"description": "ticks that got none"})
    lastOn = fields.Integer(metadata={"description": "the last tick that got a job"})
    lastJobId = fields.String(metadata={"description": "that job, which may have been removed"})
    createdOn = Milliseconds(required=True)
    createdBy = fields.String(required=True, metadata={"description": "as in the audit"})
    changedOn = Milliseconds()
    template = fields.Nested(ShownTemplateSchema, required=True)
    hidden = fields.List(
        fields.String(),
        metadata={"description": "`template.data`: the token lacks `payload`, or they are too long for this response"},
    )


class SchedulersSchema(Schema):
    """Schedules of a queue, by id."""

    schedulers = fields.List(fields.Nested(SchedulerSchema), required=True)
    count = fields.Integer(required=True, metadata={"description": "how many the queue has"})
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)


class TickSchema(Schema):
    """A tick to come."""

    on = fields.Integer(required=True, metadata={"description": "ms since the epoch"})
    local = fields.String(required=True, metadata={"description": "the time in the time zone of the schedule"})
    note = fields.String(metadata={"description": "what a change of the clocks does to it"})


class TicksSchema(Schema):
    """Ticks to come."""

    runs = fields.List(fields.Nested(TickSchema), required=True)


class RunSchema(Schema):
    """A job of a schedule, and how it ended."""

    jobId = fields.String(required=True)
    on = fields.Integer(required=True, metadata={"description": "the tick"})
    isBesides = fields.Boolean(required=True, metadata={"description": "somebody had it run, besides the ticks"})
    status = fields.String(required=True, metadata={"enum": [status.value for status in Status]})
    timestamp = Milliseconds(required=True)
    processedOn = Milliseconds()
    finishedOn = Milliseconds()
    attemptsMade = fields.Integer(required=True)
    failedReason = fields.String(metadata={"description": "its first 1,000 characters"})
    failedCode = fields.String()
    hidden = fields.List(fields.String(), metadata={"description": "what the token may not see"})


class RunsSchema(Schema):
    """Jobs of a schedule that are there, the newest first."""

    runs = fields.List(fields.Nested(RunSchema), required=True)
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)


ANSWER = {
    "id": "nightly-report",
    "key": "nightly-report",
    "queue": "demo",
    "name": "report",
    "pattern": "0 3 * * *",
    "tz": "Europe/Vienna",
    "misfire": "once",
    "overlap": "pending",
    "paused": False,
    "next": 1_767_232_800_000,
    "iterationCount": 1,
    "skippedCount": 0,
    "lastOn": 1_767_146_400_000,
    "lastJobId": "repeat:nightly-report:1767146400000",
    "createdOn": 1_767_100_000_000,
    "createdBy": "env:1",
    "template": {"name": "report", "data": {"to": "ada@example.com"}, "opts": {"attempts": 3}},
}


def dump(one: Schedule, *, sees_payload: bool) -> dict[str, Any]:
    """Return the JSON of a schedule."""
    is_paused = one.paused_at is not None
    shown = one.data if sees_payload else None
    template = {"name": one.name, "data": shown and Json.write(shown), "opts": Json.write(one.opts)}
    members = {
        "id": one.id,
        "key": one.id,
        "queue": one.queue,
        "name": one.name,
        "every": one.every_ms,
        "offset": one.offset_ms,
        "pattern": one.pattern,
        "tz": one.tz,
        "startDate": one.starts_at,
        "endDate": one.ends_at,
        "limit": one.tick_limit,
        "jitter": one.jitter_ms or None,
        "misfire": one.misfire.value,
        "overlap": one.overlap.value,
        "paused": is_paused,
        "pausedOn": one.paused_at and milliseconds(one.paused_at),
        "pausedBy": one.paused_by if is_paused else None,
        "next": None if is_paused else one.next_at,
        "iterationCount": one.ticks,
        "skippedCount": one.skipped,
        "lastOn": one.last_tick_at,
        "lastJobId": one.last_job_id,
        "createdOn": milliseconds(one.created_at),
        "createdBy": one.created_by,
        "changedOn": one.changed_at and milliseconds(one.changed_at),
        "template": {name: value for name, value in template.items() if value is not None},
        "hidden": None if shown is not None else ["template.data"],
    }
    return {name: value for name, value in members.items() if value is not None}


def dump_ticks(ticks: Sequence[Tick]) -> dict[str, Any]:
    """Return the JSON of a preview."""
    return {"runs": [{"on": one.on, "local": one.local} | ({"note": one.note} if one.note else {}) for one in ticks]}


def dump_run(schedule_id: str, run: Run, *, sees_payload: bool) -> dict[str, Any]:
    """Return the JSON of a job of a schedule."""
    members = {
        "jobId": run.job_id,
        "on": scheduled.tick_of(schedule_id, run.job_id),
        "isBesides": scheduled.is_besides(run.job_id),
        "status": run.status.value,
        "timestamp": milliseconds(run.added_at),
        "processedOn": run.begun_at and milliseconds(run.begun_at),
        "finishedOn": run.finished_at and milliseconds(run.finished_at),
        "attemptsMade": run.attempts_made,
        "failedReason": run.failed_reason if sees_payload else None,
        "failedCode": run.failed_code,
        "hidden": None if sees_payload or run.failed_reason is None else ["failedReason"],
    }
    return {name: value for name, value in members.items() if value is not None}
