"""The response to POST /queues/:queue/jobs."""

from collections.abc import Sequence
from typing import Any

from marshmallow import fields

from app.domain.deduplication import ADDED, InsertOutcome
from app.infra.cooperation import in_pieces
from app.operations.adding import Submitted
from app.wire.job import JobSchema


class SubmittedSchema(JobSchema):
    """A job in the response to POST: JobJson, and what became of the job of the request."""

    outcome = fields.String(required=True, metadata={"enum": [outcome.value for outcome in InsertOutcome]})

    def dump_all(self, submitted: Sequence[Submitted]) -> list[dict[str, Any]]:
        """Return the JSON of the response, in the order of the request."""
        return [self.members(job) | {"outcome": outcome} for part in in_pieces(submitted) for job, outcome in part]

    def dump_known(self, submitted: Sequence[Submitted]) -> list[dict[str, Any]]:
        """Do what `dump_all` does, for a client that sees the contents only of the jobs that it added."""
        return [
            (self.members if outcome in ADDED else self.without_payload)(job) | {"outcome": outcome}
            for part in in_pieces(submitted)
            for job, outcome in part
        ]
