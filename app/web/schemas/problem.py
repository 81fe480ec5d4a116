"""The body of every answer of 400 and above."""

from marshmallow import Schema, fields


class FaultSchema(Schema):
    """One thing wrong, with its place."""

    path = fields.String()
    message = fields.String()


class ProblemSchema(Schema):
    """`error` is a sentence for people, `code` a word to program against."""

    error = fields.String()
    code = fields.String()
    requestId = fields.String()
    details = fields.List(fields.Nested(FaultSchema))
    outcome = fields.String()
