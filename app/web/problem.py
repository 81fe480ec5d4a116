"""The body of every answer of 400 and above."""

from marshmallow import Schema, fields


class FaultSchema(Schema):
    """One thing wrong, with its place."""

    path = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """`error` is a sentence for people, `code` a word to program against."""

    error = fields.String(required=True)
    code = fields.String(required=True)
    requestId = fields.String(required=True)
    details = fields.List(fields.Nested(FaultSchema))
    outcome = fields.String(metadata={"description": "`unknown` where it cannot be told whether this was stored"})
    status = fields.String(metadata={"description": "of `/health/ready` alone"})
    faults = fields.List(fields.String(), metadata={"description": "of `/health/ready` alone"})


class HealthSchema(Schema):
    """What a healthy node says."""

    status = fields.String(required=True)
