"""The responses with the history of a job: its attempts and log lines."""

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
    reason = fields.String(allow_none=True)


class _PartSchema(Schema):
    count = fields.Integer(required=True)
    hidden = fields.List(
        fields.String(), metadata={"description": "Present if the token lacks `payload`: the members left out."}
    )
    length = fields.Integer(metadata={"description": "Present if the response ended early: how many entries it has."})
    next = fields.Integer(metadata={"description": "Present if the response ended early: the `start` of the next one."})


class AttemptsSchema(_PartSchema):
    """Some attempts of a job, and how many there are."""

    attempts = fields.List(fields.Nested(AttemptSchema), required=True)


class LogsSchema(_PartSchema):
    """Some log lines of a job, and how many there are."""

    logs = fields.List(fields.String(), required=True)


def part(name: str, entries: Sequence[Any], found: Part[Any], *, start: int) -> dict[str, Any]:
    """Return the JSON of entries, as the member `name`; with `next` if they ended early."""
    members = {name: entries, "count": found.count}
    if found.is_truncated:
        members |= {"length": len(entries), "next": start + len(entries)}
    return members


def without_reasons(members: dict[str, Any]) -> dict[str, Any]:
    """Leave out the reasons of attempts, for a client without the scope `payload`."""
    for attempt in members["attempts"]:
        del attempt["reason"]
    return members | {"hidden": ["reason"]}


def without_lines(members: dict[str, Any]) -> dict[str, Any]:
    """Leave out the log lines, for a client without the scope `payload`."""
    del members["logs"]
    return members | {"hidden": ["logs"]}
