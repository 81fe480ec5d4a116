"""The answer to POST /queues/:queue/jobs."""

from collections.abc import Sequence
from typing import Any

from marshmallow import fields

from app.operations.jobs import Submitted
from app.wire.job import JobSchema


class SubmittedSchema(JobSchema):
    """A job in the answer to POST: JobJson and what became of it."""

    outcome = fields.String(required=True)

    def dump_all(self, submitted: Sequence[Submitted]) -> list[dict[str, Any]]:
        """Dump the answer, in order."""
        return [self.members(job) | {"outcome": outcome} for job, outcome in submitted]
