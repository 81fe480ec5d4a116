"""JobJson: a job as it is seen. To add a field: a line here, a column's value in `domain/job.py`."""

import json
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from marshmallow import Schema, fields, post_dump

from app.domain.job import Job
from app.operations.submit import Submitted
from app.web.schemas.fields import Json, Milliseconds


class JobSchema(Schema):
    """JobJson. A member that does not exist yet is left out."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    data = Json(required=True)
    opts = Json(required=True)
    progress = Json(required=True)
    returnvalue = fields.Method("_returnvalue", metadata={"type": "string"})
    result = Json()
    failedReason = fields.String(attribute="failed_reason")
    stacktrace = fields.List(fields.String(), required=True)
    attemptsMade = fields.Integer(attribute="attempts_made", required=True)
    attemptsStarted = fields.Integer(attribute="attempts_started", required=True)
    stalledCounter = fields.Integer(attribute="stalled_count", required=True)
    delay = fields.Integer(attribute="delay_ms", required=True)
    priority = fields.Integer(required=True)
    timestamp = Milliseconds(attribute="added_at", required=True)
    processedOn = Milliseconds(attribute="processed_at")
    finishedOn = Milliseconds(attribute="finished_at")
    processedBy = fields.String(attribute="processed_by")
    status = fields.String(required=True)
    queueQualifiedName = fields.Method("_qualified_name", required=True, metadata={"type": "string"})

    def __init__(self, *, queue_prefix: str) -> None:
        """Name queues below `queue_prefix`."""
        super().__init__()
        self._queue_prefix = queue_prefix
        own = {name: self.dump_fields[name] for name in JobSchema._declared_fields}
        methods = {name: field for name, field in own.items() if isinstance(field, fields.Method)}
        attributes = ["id" if name in methods else field.attribute or name for name, field in own.items()]
        self._names = tuple(own)
        self._values_of: Callable[[Job], tuple[Any, ...]] = attrgetter(*attributes)
        texts_or_moments = (name for name, field in own.items() if isinstance(field, Json | Milliseconds))
        self._converted: tuple[tuple[str, Callable[..., Any]], ...] = tuple(
            (name, own[name]._serialize)  # noqa: SLF001
            for name in texts_or_moments
        )
        self._made = tuple((name, getattr(self, str(field.serialize_method_name))) for name, field in methods.items())

    def members(self, job: Job) -> dict[str, Any]:
        """Do what `dump` does, at a tenth of the price: the fields alone, without what marshmallow does around them.

        A property test holds the two to the same answer.
        """
        members = dict(zip(self._names, self._values_of(job), strict=True))
        for name, convert in self._converted:
            members[name] = convert(members[name])
        for name, make in self._made:
            members[name] = make(job)
        return {name: value for name, value in members.items() if value is not None}

    def _returnvalue(self, job: Job) -> str | None:
        """Give a string result as it is, any other as its JSON text."""
        if job.result is None:
            return None
        value = job.result.strip()
        return json.loads(value) if value.startswith('"') else value

    def _qualified_name(self, job: Job) -> str:
        return f"{self._queue_prefix}:{job.queue}"

    @post_dump
    def _leave_out_absent(self, members: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}


class SubmittedSchema(JobSchema):
    """A job in the answer to POST: JobJson and what became of it."""

    outcome = fields.String(required=True)

    def dump_all(self, submitted: Sequence[Submitted]) -> list[dict[str, Any]]:
        """Dump the answer, in order."""
        return [self.members(job) | {"outcome": outcome} for job, outcome in submitted]
