"""The response to POST /queues/:queue/jobs."""

from collections.abc import Sequence
from typing import Any

from marshmallow import fields

from app.operations.jobs import InsertOutcome, Submitted
from app.wire.job import JobSchema


class SubmittedSchema(JobSchema):
    """A job in the response to POST: JobJson, and whether it was created."""

    outcome = fields.String(required=True)

    def dump_all(self, submitted: Sequence[Submitted]) -> list[dict[str, Any]]:
        """Return the JSON of the response, in the order of the request."""
        return [self.members(job) | {"outcome": outcome} for job, outcome in submitted]

    def dump_known(self, submitted: Sequence[Submitted]) -> list[dict[str, Any]]:
        """Do what `dump_all` does, for a client that sees the contents only of the jobs that it created."""
        return [
            (self.members if outcome is InsertOutcome.CREATED else self.without_payload)(job) | {"outcome": outcome}
            for job, outcome in submitted
        ]
