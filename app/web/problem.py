"""The body of every response with a status of 400 or above."""

from marshmallow import Schema, fields


class FaultSchema(Schema):
    """A fault of the request, with its path."""

    path = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """`error` is a sentence for people, `code` is for programs."""

    error = fields.String(required=True)
    code = fields.String(required=True)
    requestId = fields.String(required=True)
    details = fields.List(fields.Nested(FaultSchema))
    outcome = fields.String(metadata={"description": "`unknown` if the request may have been stored"})
    status = fields.String(metadata={"description": "of `/health/ready` only"})
    faults = fields.List(fields.String(), metadata={"description": "of `/health/ready` only"})


class HealthSchema(Schema):
    """The response of a healthy node."""

    status = fields.String(required=True)
