"""What a job has been through, as it is seen."""

from collections.abc import Sequence
from typing import Any

from marshmallow import Schema, fields

from app.queries.history import Part
from app.wire.fields import Milliseconds


class AttemptSchema(Schema):
    """One claim of a job."""

    attempt = fields.Integer(attribute="nth", required=True)
    worker = fields.String(required=True)
    startedOn = Milliseconds(attribute="started_at", required=True)
    endedOn = Milliseconds(attribute="ended_at", allow_none=True, required=True)
    outcome = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)


class _PartSchema(Schema):
    count = fields.Integer(required=True)
    length = fields.Integer(metadata={"description": "There where the answer ended early: how many it holds."})
    next = fields.Integer(metadata={"description": "There where the answer ended early: the `start` that goes on."})


class AttemptsSchema(_PartSchema):
    """Some attempts of a job, and how many there are."""

    attempts = fields.List(fields.Nested(AttemptSchema), required=True)


class LogsSchema(_PartSchema):
    """Some lines of a job's log, and how many there are."""

    logs = fields.List(fields.String(), required=True)


def part(name: str, entries: Sequence[Any], found: Part[Any], *, start: int) -> dict[str, Any]:
    """Say which entries there are, by `name`; where they ended early, how to go on."""
    members = {name: entries, "count": found.count}
    if found.is_cut:
        members |= {"length": len(entries), "next": start + len(entries)}
    return members
