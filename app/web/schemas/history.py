"""What a job has been through, as it is seen."""

from marshmallow import Schema, fields

from app.web.schemas.fields import Milliseconds


class AttemptSchema(Schema):
    """One claim of a job."""

    attempt = fields.Integer(attribute="nth", required=True)
    worker = fields.String(required=True)
    startedOn = Milliseconds(attribute="started_at", required=True)
    endedOn = Milliseconds(attribute="ended_at", allow_none=True, required=True)
    outcome = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)


class AttemptsSchema(Schema):
    """Some attempts of a job, and how many there are."""

    attempts = fields.List(fields.Nested(AttemptSchema), required=True)
    count = fields.Integer(required=True)


class LogsSchema(Schema):
    """Some lines of a job's log, and how many there are."""

    logs = fields.List(fields.String(), required=True)
    count = fields.Integer(required=True)
