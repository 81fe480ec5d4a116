"""The JSON of an explanation, and of what scales the workers of a queue."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.domain.explain import REASON_MAX, Code, Explanation
from app.domain.pace import EXACT
from app.domain.scaling import Scaling
from app.wire.fields import Milliseconds, milliseconds

HIDDEN = "failedReason"


class ReasonSchema(Schema):
    """One reason."""

    code = fields.String(required=True, validate=validate.OneOf([code.value for code in Code]))
    text = fields.String(required=True, metadata={"description": "a clause, as in the sentence"})
    since = Milliseconds()
    by = fields.String(metadata={"description": "who: a person or token as in the audit, a worker, a program"})
    until = Milliseconds()
    hint = fields.String(metadata={"description": "a sentence: what to do"})
    failedReason = fields.String(
        attribute="failed_reason",
        metadata={"description": f"of the failure that it tells of, {REASON_MAX} characters; needs `payload`"},
    )


class AheadSchema(Schema):
    """How many jobs would be claimed before it."""

    jobs = fields.Integer(required=True)
    isExact = fields.Boolean(
        attribute="is_exact", required=True, metadata={"description": f"of a job: up to {EXACT:,}; beyond an estimate"}
    )


class StartSchema(Schema):
    """When it is likely to begin."""

    p50 = Milliseconds(required=True)
    p90 = Milliseconds(required=True, metadata={"description": "in nine of ten cases before it"})


class ExplanationSchema(Schema):
    """Why a job, or a queue, stands where it does."""

    status = fields.String(
        required=True,
        metadata={"description": "of a job its status; of a queue: blocked, working, waiting (all delayed) or idle"},
    )
    sentence = fields.String(required=True, metadata={"description": "for people: the reasons, and what to do"})
    reasons = fields.List(
        fields.Nested(ReasonSchema), required=True, metadata={"description": "the one that blocks first is the first"}
    )
    ahead = fields.Nested(
        AheadSchema, metadata={"description": "of a ready job; of a queue: before a job that is added now"}
    )
    start = fields.Nested(StartSchema, metadata={"description": "absent if anything blocks, or if no job ended lately"})
    asOf = Milliseconds(attribute="at", required=True, metadata={"description": "the database's clock"})
    hidden = fields.List(
        fields.String(), metadata={"description": "Present if the token lacks `payload`: the members left out."}
    )


class ScalingSchema(Schema):
    """How many workers a queue needs, and what that follows from."""

    wanted = fields.Integer(required=True, metadata={"description": "workers"})
    ready = fields.Integer(required=True)
    active = fields.Integer(required=True)
    dueSoon = fields.Integer(
        attribute="due_soon", required=True, metadata={"description": "delayed jobs that are due within the target"}
    )
    oldestReadyS = fields.Float(
        attribute="oldest_ready_s",
        metadata={"description": "for how long the job that has been ready longest is ready; absent if none is"},
    )
    arrivalPerS = fields.Float(
        attribute="arrival_per_s", required=True, metadata={"description": "jobs added, in the last 5 full minutes"}
    )
    servicePerS = fields.Float(
        attribute="service_per_s", required=True, metadata={"description": "jobs ended, in the last 5 full minutes"}
    )
    drainS = fields.Float(
        attribute="drain_s", metadata={"description": "how long the ready jobs take at that pace; absent if none ended"}
    )
    workers = fields.Integer(required=True, metadata={"description": "seen within a minute"})


def dump(found: Explanation, *, sees_payload: bool) -> dict[str, Any]:
    """Return the JSON of an explanation. What there is not is omitted."""
    members: dict[str, Any] = {
        "status": found.status,
        "sentence": found.sentence,
        "reasons": [_present(reason.dump(one)) for one in found.reasons],
        "asOf": milliseconds(found.at),
    }
    if found.ahead is not None:
        members["ahead"] = {"jobs": found.ahead.jobs, "isExact": found.ahead.is_exact}
    if found.start is not None:
        members["start"] = {"p50": milliseconds(found.start.p50), "p90": milliseconds(found.start.p90)}
    return members if sees_payload else _without_contents(members)


def dump_scaling(found: Scaling) -> dict[str, Any]:
    """Return the JSON of what scales the workers; numbers of a second are rounded."""
    members: dict[str, Any] = scaling.dump(found)
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in members.items()}
    return _present(rounded)


reason, scaling = ReasonSchema(), ScalingSchema()


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _without_contents(members: dict[str, Any]) -> dict[str, Any]:
    """Leave out the reasons of failures, for a client without the scope `payload`."""
    for one in members["reasons"]:
        one.pop(HIDDEN, None)
    return members | {"hidden": [HIDDEN]}
