"""The query of GET /queues, the body of a pause, and the responses."""

from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate

from app.domain import defaults
from app.domain.backoff import LONGEST_MS
from app.domain.ids import QUEUE_NAME_MAX
from app.domain.jobfilter import PATH_MAX
from app.domain.options import DEFAULTABLE
from app.domain.queue import LATELY, NUMBERS, REASON_MAX
from app.domain.retention import Keep
from app.domain.terms import KEYS_MAX, keys_fault
from app.domain.tokens import ALL
from app.domain.workers import LISTED_MAX, Way
from app.web.fields import Filter, Text, Texts, Whole, WholeText
from app.web.jobs import new_job
from app.web.jobs.page import LENGTH_MAX, START_MAX, loaded_query
from app.wire import objects, retention
from app.wire.demands import Form
from app.wire.fields import Milliseconds
from app.wire.queue import QueueSchema
from app.wire.retention import RetentionSchema

ORDERS = ("name", "attention")
MINUTES = "minutes"


class QueuesQuerySchema(Schema):
    """Which queues are requested. Unknown parameters are ignored."""

    pattern = Filter(
        QUEUE_NAME_MAX, load_default=ALL, metadata={"description": "a name, in which `*` stands for any characters"}
    )
    start = WholeText(0, START_MAX, load_default=0)
    length = WholeText(0, LENGTH_MAX, load_default=10)
    after = Filter(
        QUEUE_NAME_MAX, load_default="", metadata={"description": "only queues with a later name: the last of a page"}
    )
    order = fields.String(
        load_default="name",
        validate=validate.OneOf([*ORDERS], error=f"must be {' or '.join(ORDERS)}"),
        metadata={
            "description": "`attention`: first those that are paused though jobs are ready, then by the number of "
            "failed, then of ready jobs"
        },
    )
    include = fields.String(
        validate=validate.OneOf([MINUTES], error=f"must be {MINUTES}"),
        metadata={"description": f"`{MINUTES}`: also what happened in each of the last {LATELY} minutes"},
    )


class PauseSchema(Schema):
    """Why a queue is paused."""

    error_messages = {"unknown": "is not known here", "type": "must be an object"}  # noqa: RUF012 - as marshmallow has it
    reason = Text(REASON_MAX, allow_none=True)


DefaultsSchema = new_job.KnownOnly.from_dict(
    {name: new_job.field_of(option) for name, option in DEFAULTABLE.items()}, name="DefaultsSchema"
)
"""Defaults of a queue, from the table of options."""


def _valid_keys(keys: list[str]) -> None:
    if fault := keys_fault(keys):
        raise ValidationError(fault)


class QueueSettingsSchema(RetentionSchema):
    """The settings of a queue that are changed; null takes one away."""

    startWithin = Whole(
        1,
        LONGEST_MS,
        metadata={"description": "ms: a job fails that has not begun so long after it became ready first"},
    )
    defaults = fields.Nested(
        DefaultsSchema,
        allow_none=True,
        metadata={"description": "the options of jobs that are added without them: all of them; null: none"},
    )
    keys = Texts(
        KEYS_MAX,
        PATH_MAX,
        validate=_valid_keys,
        metadata={
            "description": "paths into the data by which jobs are found at once: all of them; null: none",
            "uniqueItems": True,
        },
    )


class QueueChangeSchema(Schema):
    """What is changed of a queue."""

    error_messages = {"unknown": "is not known here", "type": "must be an object"}  # noqa: RUF012 - as above
    settings = fields.Nested(
        QueueSettingsSchema, required=True, error_messages={"required": "is required", "null": "must not be null"}
    )


class PausedQueueSchema(QueueSchema):
    """A queue after a pause."""

    claimsInFlight = fields.Integer(
        metadata={
            "description": "Present if transactions that began before the pause had not ended after 5 s: so many "
            "claims may still hand out jobs."
        }
    )


class QueuesSchema(Schema):
    """Some queues, by name, and how many match."""

    queues = fields.List(fields.Nested(QueueSchema), required=True)
    count = fields.Integer(required=True)
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)


class SeenWorkerSchema(Schema):
    """A worker of a queue."""

    worker = fields.String(required=True, metadata={"description": "its name, as in `processedBy`"})
    way = fields.String(
        required=True, validate=validate.OneOf(list(Way)), metadata={"description": "how it gets its jobs"}
    )
    slots = fields.Integer(required=True, metadata={"description": "jobs that it can run at a time"})
    busy = fields.Integer(required=True, metadata={"description": "how many of them run a job"})
    seenOn = Milliseconds(attribute="seen_at", required=True, metadata={"description": "when it was seen last"})


class SeenWorkersSchema(Schema):
    """The workers of a queue that were seen within a minute, by name."""

    workers = fields.List(fields.Nested(SeenWorkerSchema), required=True)
    count = fields.Integer(
        required=True, metadata={"description": f"how many there are; {LISTED_MAX:,} at most are listed"}
    )


WORKERS_EXAMPLE = {
    "workers": [
        {"worker": "crane:4711", "way": "python", "slots": 8, "busy": 3, "seenOn": 1_780_000_000_000},
        {"worker": "push:crane:4712", "way": "push", "slots": 10, "busy": 0, "seenOn": 1_780_000_000_000},
    ],
    "count": 2,
}
EXAMPLE = {"reason": "the mail provider is down"}
CHANGE_EXAMPLE = {
    "settings": {
        "defaults": {"attempts": 5, "backoff": {"type": "exponential", "delay": 1_000}, "timeout": 30_000},
        "removeOnComplete": {"age": 86_400, "count": 10_000},
        "removeOnFail": None,
        "keys": ["customer.id"],
    }
}
"""Example bodies, for the OpenAPI document."""
_query, _pause, _change = QueuesQuerySchema(unknown="exclude"), PauseSchema(), QueueChangeSchema()
_FORM, _CHANGE_FORM = Form(frozenset(_pause.fields)), Form(frozenset(_change.fields))


class Listing(NamedTuple):
    """Which queues are requested."""

    pattern: str
    start: int
    length: int
    after: str
    by_attention: bool
    has_minutes: bool


def load_query(query: bytes) -> Listing:
    """Read which queues are requested. Raises InvalidRequest with all faults."""
    loaded = loaded_query(_query, query)
    order, has_minutes = loaded.pop("order"), loaded.pop("include", None) is not None
    return Listing(**loaded, by_attention=order == "attention", has_minutes=has_minutes)


def load_reason(raw: bytes) -> str | None:
    """Read the body of a pause, which may be empty. Raises InvalidRequest, UnparsableBody."""
    if not raw.strip():
        return None
    loaded = new_job.loaded(_pause, objects.owns(objects.read_object(raw, _FORM)[0]))
    return loaded.get("reason") or None


class Changes(NamedTuple):
    """The settings of a queue to change, as `operations.settings.change_queue` takes them."""

    keeps: dict[str, Keep | None]
    numbers: dict[str, int | None]
    wanted: dict[str, Any] | None
    keys: list[str] | None


def load_change(raw: bytes) -> Changes:
    """Read the settings to change. Raises InvalidRequest, UnparsableBody."""
    asked = objects.owns(objects.read_object(raw, _CHANGE_FORM)[0], objects=("settings",))
    loaded = dict(new_job.loaded(_change, asked)["settings"])
    numbers = {NUMBERS[name]: loaded.pop(name) for name in NUMBERS if name in loaded}
    wanted = defaults.of_values(loaded.pop("defaults") or {}) if "defaults" in loaded else None
    keys = (loaded.pop("keys") or []) if "keys" in loaded else None
    return Changes(retention.changes(loaded), numbers, wanted, keys)
