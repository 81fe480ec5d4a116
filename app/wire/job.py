"""JobJson: a job in responses to clients and in requests to endpoints.

To add a field, add a line to the schema; its attribute is a field of `domain/job.py`.
"""

import functools
import json
from collections.abc import Callable, Collection
from typing import Any

from marshmallow import Schema, fields, post_dump

from app.domain.attempts import FailedCode
from app.domain.job import Job, JsonText
from app.wire.fields import Json, Milliseconds, Written

PAYLOAD = ("data", "progress", "returnvalue", "result", "failedReason", "stacktrace")
"""The contents of a job, which a client sees only with the scope `payload`. A number as progress is not one."""
WORKED = ("data",)
"""What whoever works a job sees of its contents without that scope: a worker over HTTP, an endpoint."""
_NUMBER = "-0123456789"
"""What the JSON of a number begins with."""


class ReturnValue(Written[JsonText]):
    """The result as in BullMQ: a string unchanged, any other value as JSON text."""

    def write(self, value: JsonText) -> Any:
        """Return the string that the JSON is, or else the JSON text."""
        text = value.strip()
        return json.loads(text) if text.startswith('"') else text


class QualifiedName(Written[str]):
    """The qualified name of a queue: the `queue_prefix` of the schema, a colon, the name."""

    def write(self, value: str) -> str:
        """Return the qualified name, as in BullMQ."""
        return f"{self.root.queue_prefix}:{value}"  # type: ignore[union-attr]


class JobSchema(Schema):
    """JobJson. Members without a value yet are omitted."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    data = Json(required=True)
    opts = Json(required=True)
    progress = Json(required=True)
    returnvalue = ReturnValue(attribute="result", dump_only=True, metadata={"type": "string"})
    result = Json()
    failedReason = fields.String(attribute="failed_reason")
    failedCode = fields.String(attribute="failed_code", metadata={"enum": [code.value for code in FailedCode]})
    stacktrace = fields.List(fields.String(), required=True)
    attemptsMade = fields.Integer(attribute="attempts_made", required=True)
    attemptsStarted = fields.Integer(attribute="attempts_started", required=True)
    stalledCounter = fields.Integer(attribute="stalled_count", required=True)
    delay = fields.Integer(attribute="delay_ms", required=True)
    priority = fields.Integer(required=True)
    timestamp = Milliseconds(attribute="added_at", required=True)
    processedOn = Milliseconds(attribute="begun_at")
    finishedOn = Milliseconds(attribute="finished_at")
    processedBy = fields.String(attribute="processed_by")
    tags = fields.List(fields.String())
    startBy = fields.Integer(
        attribute="start_by", metadata={"description": "It fails if its first attempt has not begun by then."}
    )
    effective = Json(
        metadata={
            "type": "object",
            "description": "the options that hold instead of `opts`, by a default of the queue or a change by hand",
        }
    )
    status = fields.String(required=True)
    queueQualifiedName = QualifiedName(attribute="queue", required=True, metadata={"type": "string"})
    hidden = fields.List(
        fields.String(), metadata={"description": "Present if the token lacks `payload`: the members left out."}
    )

    def __init__(self, *, queue_prefix: str) -> None:
        """Prefix the names of queues with `queue_prefix`. Compile `members` from the fields above."""
        super().__init__()
        self.queue_prefix = queue_prefix
        self.members = self._compiled()

    members: Callable[[Job], dict[str, Any]]
    """Does what `dump` does at a twentieth of the cost: the JSON of the jobs takes half of the CPU time of a page."""

    def without_payload(self, job: Job, *, shows: Collection[str] = ()) -> dict[str, Any]:
        """Do what `members` does, without the contents of the job but `shows`; `hidden` names those that it has."""
        members = self.members(job)
        hidden = [
            name
            for name in PAYLOAD
            if name in members and name not in shows and (name != "progress" or job.progress.lstrip()[0] not in _NUMBER)
        ]
        for name in hidden:
            del members[name]
        return members | {"hidden": hidden}

    def members_for(self, *, sees_payload: bool) -> Callable[[Job], dict[str, Any]]:
        """Return the function that makes the JSON of a job for a client that may see the contents of jobs, or not."""
        return self.members if sees_payload else self.without_payload

    def members_to_work(self, *, sees_payload: bool) -> Callable[[Job], dict[str, Any]]:
        """Return the function that makes the JSON of a job for who works it: with its data, whatever they may see."""
        return self.members if sees_payload else functools.partial(self.without_payload, shows=WORKED)

    def _compiled(self) -> Callable[[Job], dict[str, Any]]:
        """Generate the function `members` from the fields. A property test compares it with `dump`."""
        names: dict[str, Any] = {}
        lines = [f" {', '.join(Job._fields)} = job", " members = {}"]
        for name, field in self.fields.items():
            attribute = field.attribute or name
            if not hasattr(Job, attribute):
                continue
            value = held = attribute if attribute in Job._fields else f"job.{attribute}"
            if isinstance(field, Written):
                names[f"write_{name}"] = field.write
                value = f"write_{name}({held})"
            condition = "" if field.required else f"if {held} is not None: "
            lines.append(f" {condition}members[{name!r}] = {value}")
        code = compile("\n".join(["def members(job):", *lines, " return members"]), f"{__file__} (compiled)", "exec")
        exec(code, names)  # noqa: S102 - the code comes from the schema alone
        members: Callable[[Job], dict[str, Any]] = names["members"]
        return members

    @post_dump
    def _leave_out_absent(self, members: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}


class PlacedJobSchema(JobSchema):
    """JobJson with the name of its queue, in responses over several queues."""

    queue = fields.String(dump_only=True)
