"""The JSON of a queue."""

from typing import Any

from marshmallow import Schema, fields

from app.domain.queue import Queue
from app.domain.states import Status
from app.wire import retention
from app.wire.fields import Milliseconds
from app.wire.retention import RetentionSetSchema


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
    settings = fields.Nested(RetentionSetSchema, required=True, metadata={"description": "what the queue sets itself"})
    nextDueOn = Milliseconds(attribute="next_due_at", metadata={"description": "when the next delayed job is due"})


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
            "settings": {},
        }
    )
    present = {name: value for name, value in members.items() if value is not None}
    return present | {"settings": retention.dump(queue.retention)}
