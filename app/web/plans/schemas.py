"""The bodies of the requests that make and apply plans, and the JSON of a plan."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate

from app.domain import jobfilter
from app.domain.errors import Fault, InvalidRequest
from app.domain.ids import JOB_ID_MAX, JOB_NAME_MAX
from app.domain.job import Change, Job
from app.domain.jobfilter import CONDITIONS_MAX, TEXT_MAX, JobFilter, path_fault, text_fault
from app.domain.plan import ASKED, KEPT_S, RATE_MAX, SAMPLE, Plan, PlanAction, PlanStatus
from app.domain.states import Status
from app.web.fields import Fingerprint, Moment, Number, Text, Texts, Whole
from app.web.jobs import new_job, verbs
from app.wire import objects
from app.wire.demands import Form
from app.wire.fields import Milliseconds, milliseconds
from app.wire.job import JobSchema

IDS_MAX, WORKER_MAX = 200, 255
_HIDDEN = ("error", "fingerprint", "data")
"""Members of a filter that only who may see payloads may use, or see."""
_NOT_NULL: dict[str, Any] = {"allow_none": False, "error_messages": {"null": "must not be null"}}
_SOME = _NOT_NULL | {"validate": new_job.NOT_EMPTY}
_NEEDED: dict[str, Any] = {
    "required": True,
    "allow_none": False,
    "error_messages": {"required": "is required", "null": "must not be null", "invalid": "must be a string"},
}


class Paths(fields.Field[dict[str, str]]):
    """An object: paths into the data, and the values there: a string, a number, true, false or null."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        if not value:
            raise ValidationError("must not be empty")
        if len(value) > CONDITIONS_MAX:
            raise ValidationError(f"must hold at most {CONDITIONS_MAX} paths")
        for path in value:
            if fault := path_fault(path):
                raise ValidationError(f"has a path that {fault}")
        texts = {path: _text(found) for path, found in value.items()}
        if faults := {path: [fault] for path, found in value.items() if (fault := _value_fault(found, texts[path]))}:
            raise ValidationError(faults)
        return texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _value_fault(value: Any, text: str) -> str | None:
    if isinstance(value, list | dict) or (isinstance(value, float) and not math.isfinite(value)):
        kinds = "must be a string, a number, true, false or null"
        return f"{kinds}; for an object give its JSON as a string, or a path such as customer.id"
    return text_fault(text) if text else None


class Word(Text):
    """A text that is looked for."""

    def __init__(self, longest: int, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Allow up to `longest` characters."""
        super().__init__(longest, metadata={"minLength": 1, **(metadata or {})}, **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        text = super()._deserialize(value, *args, **options)
        if fault := text_fault(text):
            raise ValidationError(fault)
        return text


class FilterSchema(new_job.KnownOnly):
    """Which jobs a plan means: those of which all is true that it names."""

    statuses = fields.List(
        fields.String(validate=validate.OneOf([*Status], error=f"must be one of {', '.join(Status)}")),
        allow_none=False,
        validate=new_job.NOT_EMPTY,
        error_messages={"null": "must not be null", "invalid": "must be an array of statuses"},
    )
    ids = Texts(IDS_MAX, JOB_ID_MAX, **_SOME)
    name = Word(JOB_NAME_MAX, **_NOT_NULL)
    tag = Texts(CONDITIONS_MAX, 100, metadata={"description": "all of these"}, **_SOME)
    since = Moment("added then or later", **_NOT_NULL)
    until = Moment("added before", **_NOT_NULL)
    finishedSince = Moment("ended then or later", **_NOT_NULL)
    finishedUntil = Moment("ended before", **_NOT_NULL)
    error = Word(TEXT_MAX, metadata={"description": "a text that `failedReason` contains"}, **_NOT_NULL)
    data = Paths(metadata={"type": "object", "description": "paths into the data, and the values there"}, **_NOT_NULL)
    worker = Word(WORKER_MAX, metadata={"description": "`processedBy`"}, **_NOT_NULL)
    fingerprint = Fingerprint(**_NOT_NULL)


_ACTIONS = [*ASKED]


class NewPlanSchema(new_job.KnownOnly):
    """The body of a new plan."""

    action = fields.String(validate=validate.OneOf(_ACTIONS, error=f"must be one of {', '.join(_ACTIONS)}"), **_NEEDED)
    filter = fields.Nested(FilterSchema, **_NEEDED)
    change = fields.Nested(
        verbs.PlanChangeSchema, metadata={"description": "what is changed of each job, with the action `change`"}
    )


class ApplySchema(new_job.KnownOnly):
    """The body that applies a plan."""

    matched = Whole(0, 2**53, metadata={"description": "the number of jobs that the plan showed"}, **_NEEDED)
    ratePerS = Number(0.001, RATE_MAX, metadata={"description": "so many jobs a second at most"})


class PlanSchema(Schema):
    """A plan. What there is not yet is omitted."""

    id = fields.String(required=True)
    queue = fields.String(required=True)
    action = fields.String(required=True, validate=validate.OneOf([*PlanAction]))
    limit = fields.Integer(metadata={"description": "of a clean: so many jobs at most"})
    filter = fields.Dict(required=True, metadata={"description": "as sent"})
    change = fields.Dict(metadata={"description": "as sent"})
    status = fields.String(required=True, validate=validate.OneOf([*PlanStatus]))
    matched = fields.Integer(required=True, metadata={"description": "jobs; so far, while it is planning"})
    sample = fields.List(
        fields.Nested(JobSchema(queue_prefix="bull")),
        metadata={
            "description": f"of a plan that is planned: its first {SAMPLE} jobs, but long ones; of one that is undone: "
            f"the first {SAMPLE} that are not as they were, or that have their ids"
        },
    )
    ratePerS = fields.Float()
    done = fields.Integer(required=True, metadata={"description": "jobs"})
    skipped = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "jobs that had moved on, by the code of the reason"},
    )
    undone = fields.Integer(required=True, metadata={"description": "jobs that came back as they were"})
    notUndone = fields.Integer(
        required=True,
        metadata={
            "description": "jobs whose ids were taken by then; of a retry: that had begun, or were changed, by then"
        },
    )
    createdOn = Milliseconds(required=True)
    createdBy = fields.String(required=True, metadata={"description": "as in the audit"})
    plannedOn = Milliseconds()
    appliedOn = Milliseconds()
    endedOn = Milliseconds()
    undoUntil = Milliseconds(metadata={"description": "until when the jobs that it removed or retried can come back"})
    reason = fields.String(metadata={"description": "why it failed"})
    hidden = fields.List(fields.String(), metadata={"description": "what the token may not see"})


class PlansSchema(Schema):
    """Plans, of a queue the newest first."""

    plans = fields.List(fields.Nested(PlanSchema), required=True)
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)


EXAMPLE = {"action": "retry", "filter": {"statuses": ["failed"], "error": "timeout", "data": {"customer.id": 42}}}
APPLY_EXAMPLE = {"matched": 1_204, "ratePerS": 5}
_plan, _applying = NewPlanSchema(), ApplySchema()


class NewPlan(NamedTuple):
    """What a plan is to do, and to which jobs."""

    action: PlanAction
    wanted: JobFilter
    change: Change | None


def load(raw: bytes) -> NewPlan:
    """Read the body of a new plan. Raises InvalidRequest with all its faults, UnparsableBody."""
    members, _ = objects.read_object(raw, Form(frozenset(_plan.fields)))
    owned = objects.owns(members, objects=("filter", "change"))
    if isinstance(owned.get("filter"), dict) and isinstance(owned["filter"].get("data"), dict):
        # Numbers in the data stay as they are written, as all that is compared with jobs.
        owned["filter"]["data"] = json.loads(members["filter"], parse_int=str, parse_float=str)["data"]
    loaded = new_job.loaded(_plan, owned)
    action, change = PlanAction(loaded["action"]), loaded.get("change")
    if not any(value not in ([], {}) for value in loaded["filter"].values()):
        raise InvalidRequest(Fault("filter", "must name what to look for"))
    if action is PlanAction.CHANGE and not change:
        raise InvalidRequest(Fault("change", f"must name what to change: {', '.join(verbs.CHANGEABLE)}"))
    if action is not PlanAction.CHANGE and change is not None:
        raise InvalidRequest(Fault("change", "must not be there: only the action change has one"))
    return NewPlan(action, jobfilter.of_json(loaded["filter"]), verbs.change_of(change) if change else None)


class Applying(NamedTuple):
    """How a plan is applied."""

    matched: int
    rate_per_s: float | None


def load_apply(raw: bytes) -> Applying:
    """Read the body that applies a plan. Raises InvalidRequest, UnparsableBody."""
    members, _ = objects.read_object(raw, Form(frozenset(_applying.fields)))
    loaded = new_job.loaded(_applying, objects.owns(members))
    return Applying(loaded["matched"], loaded.get("ratePerS"))


def dump(
    plan: Plan, *, sees_payload: bool, sample: Sequence[Job] | None = None, shown: Callable[[Job], Any] | None = None
) -> dict[str, Any]:
    """Return the JSON of a plan; `shown` makes that of a job of its sample."""
    members: dict[str, Any] = {
        "id": plan.id,
        "queue": plan.queue,
        "action": plan.action.value,
        "filter": plan.wanted.json,
        "change": None if plan.change is None else _changed(plan.change),
        "limit": plan.most,
        "status": plan.status.value,
        "matched": plan.matched,
        "sample": None if sample is None or shown is None else [*map(shown, sample)],
        "ratePerS": plan.rate_per_s,
        "done": plan.done,
        "skipped": plan.skipped,
        "undone": plan.undone,
        "notUndone": plan.not_undone,
        "createdBy": plan.created_by,
        "reason": plan.reason,
    }
    members |= _times(plan)
    if plan.wanted.needs_payload and not sees_payload:
        members["filter"] = {name: value for name, value in plan.wanted.json.items() if name not in _HIDDEN}
        members["hidden"] = ["filter"]
    return {name: value for name, value in members.items() if value is not None}


def _times(plan: Plan) -> dict[str, int]:
    until = plan.ended_at + timedelta(seconds=KEPT_S) if plan.is_undoable and plan.ended_at else None
    times = {
        "createdOn": plan.created_at,
        "plannedOn": plan.planned_at,
        "appliedOn": plan.applied_at,
        "endedOn": plan.ended_at,
        "undoUntil": until,
    }
    return {name: milliseconds(at) for name, at in times.items() if at is not None}


def _changed(change: Change) -> dict[str, Any]:
    values = {name: getattr(change, verbs.FIELDS[name]) for name in verbs.CHANGEABLE}
    return {name: value for name, value in values.items() if value is not None}
