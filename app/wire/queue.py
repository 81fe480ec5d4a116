"""The JSON of a queue."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.domain.queue import DRAIN_WINDOW, LATELY, NUMBERS, WINDOWS, Queue, Tally
from app.domain.states import Status
from app.domain.terms import FillStatus
from app.domain.workers import SEEN_S
from app.wire import retention
from app.wire.fields import Milliseconds
from app.wire.retention import RetentionSetSchema

RATES = {window: f"{window}m" for window in WINDOWS}
"""The names of the windows."""


class RateSchema(Schema):
    """How many jobs a second were added and ended."""

    added = fields.Float(required=True)
    completed = fields.Float(required=True)
    failed = fields.Float(required=True, metadata={"description": "cancelled ones among them"})


RatesSchema = Schema.from_dict(
    {name: fields.Nested(RateSchema, required=True) for name in RATES.values()}, name="RatesSchema"
)


class MinutesSchema(Schema):
    """What happened in each of the last minutes, the running one among them."""

    from_ = fields.Integer(
        attribute="from_ms",
        data_key="from",
        required=True,
        metadata={"description": "when the first of them began, in ms since the epoch"},
    )
    added = fields.List(fields.Integer(), required=True, metadata={"description": "jobs added in each minute"})
    ended = fields.List(
        fields.Integer(), required=True, metadata={"description": "jobs that completed or failed in each minute"}
    )


class QueueSettingsSetSchema(RetentionSetSchema):
    """What a queue sets itself."""

    startWithin = fields.Integer(
        metadata={"description": "ms: a job fails that has not begun so long after it became ready first"}
    )
    defaults = fields.Dict(
        keys=fields.String(), metadata={"description": "the options of jobs that are added without them"}
    )
    keys = fields.List(  # a dictionary without keys has an attribute of this name
        fields.String(),
        attribute="paths",
        metadata={"description": "paths into the data by which its jobs are found at once"},
    )


class KeySchema(Schema):
    """How far a key of a queue is."""

    path = fields.String(required=True)
    status = fields.String(
        required=True,
        validate=validate.OneOf(list(FillStatus)),
        metadata={"description": "`filled`: jobs are found by it at once; until then a search looks at all"},
    )
    scanned = fields.Integer(
        required=True,
        attribute="looked_at",
        metadata={"description": "jobs that were there before, and have been looked at so far"},
    )


class QueueSchema(Schema):
    """A queue. Times that there are not are omitted."""

    name = fields.String(required=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    paused = fields.Boolean(required=True, metadata={"description": "no claim hands out a job"})
    pausedOn = Milliseconds(attribute="paused_at")
    pausedBy = fields.String(metadata={"description": "who paused it, as in the audit"})
    pauseReason = fields.String()
    oldestReadyOn = Milliseconds(
        attribute="oldest_ready_at",
        metadata={"description": "since when the job that has been ready longest is ready"},
    )
    rates = fields.Nested(
        RatesSchema,
        required=True,
        metadata={"description": "jobs a second in the last full minute, five, and fifteen, kept or not"},
    )
    drainMs = fields.Integer(
        metadata={
            "description": f"how long the ready jobs take at the pace at which jobs ended in the last {DRAIN_WINDOW} "
            "full minutes; absent if none did"
        }
    )
    workers = fields.Integer(
        required=True, metadata={"description": f"seen within {SEEN_S} s, all ways of working: python, pull, push"}
    )
    settings = fields.Nested(
        QueueSettingsSetSchema, required=True, metadata={"description": "what the queue sets itself"}
    )
    nextDueOn = Milliseconds(attribute="next_due_at", metadata={"description": "when the next delayed job is due"})
    minutes = fields.Nested(
        MinutesSchema, metadata={"description": f"the last {LATELY} minutes; in lists, if `include` asks for them"}
    )
    keys = fields.List(fields.Nested(KeySchema), metadata={"description": "how far its keys are, if it has any"})


_queue = QueueSchema()


def dump(queue: Queue) -> dict[str, Any]:
    """Return the JSON of a queue."""
    pause = queue.pause
    members: dict[str, Any] = _queue.dump(
        {
            "name": queue.name,
            "counts": {status.value: queue.counts[status] for status in Status},
            "paused": pause is not None,
            "paused_at": pause and pause.at,
            "pausedBy": pause and pause.by,
            "pauseReason": pause and pause.reason,
            "oldest_ready_at": queue.oldest_ready_at,
            "next_due_at": queue.next_due_at,
            "rates": {name: rate(queue.recent[window], window) for window, name in RATES.items()},
            "drainMs": queue.drain_ms,
            "workers": queue.workers,
            "settings": {},
            "minutes": queue.minutes,
            "keys": queue.keys or None,
        }
    )
    present = {name: value for name, value in members.items() if value is not None}
    return present | {"settings": settings(queue)}


def settings(queue: Queue) -> dict[str, Any]:
    """Return the JSON of what the queue sets itself."""
    numbers = {name: getattr(queue, field) for name, field in NUMBERS.items()}
    others = numbers | {"defaults": queue.defaults or None, "keys": [key.path for key in queue.keys] or None}
    return retention.dump(queue.retention) | {name: value for name, value in others.items() if value is not None}


def rate(tally: Tally, minutes: int) -> dict[str, float]:
    """Return so many jobs a second as happened in so many minutes."""
    return {name: round(jobs / (minutes * 60), 4) for name, jobs in tally._asdict().items()}
