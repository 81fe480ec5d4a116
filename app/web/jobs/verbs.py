"""The bodies of the requests that retry and change a job."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from marshmallow import fields

from app.domain import ids
from app.domain.errors import Fault, InvalidRequest
from app.domain.job import Change, JsonText
from app.domain.options import OPTIONS, Option
from app.web.fields import Flag, Text
from app.web.jobs import new_job
from app.wire import objects
from app.wire.demands import BODY, Form

TOKEN_MAX = 255
CHANGEABLE = ("attempts", "delay", "priority", "lifo", "tags")
"""The options of a job that can be changed, in the order of their faults."""
FIELDS = {name: "delay_ms" if name == "delay" else name for name in CHANGEABLE}
"""The fields of `Change` of these."""
_NOT_NULL: dict[str, Any] = {"allow_none": False, "error_messages": {"null": "must not be null"}}
_ANY_BUT_NULL = ["array", "boolean", "number", "object", "string"]
_OPTIONS = {option.name: option for option in OPTIONS if option.name in CHANGEABLE}


def _field(option: Option) -> fields.Field[Any]:
    """Return the field of an option, with the limits of adding; the priority 0 takes the priority away."""
    return new_job.field_of(dataclasses.replace(option, low=0) if option.name == "priority" else option, **_NOT_NULL)


def _data(about: str = "Any JSON value but null.") -> fields.Field[Any]:
    return fields.Raw(metadata={"type": _ANY_BUT_NULL, "description": about}, **_NOT_NULL)


class RetrySchema(new_job.KnownOnly):
    """The body of a retry."""

    resetAttempts = Flag()
    data = _data("What its data are from then on; any JSON value but null.")


ChangeSchema = new_job.KnownOnly.from_dict(
    {
        "name": Text(ids.JOB_NAME_MAX, validate=new_job.NOT_EMPTY, **_NOT_NULL),
        "data": _data(),
        **{name: _field(_OPTIONS[name]) for name in CHANGEABLE},
        "token": Text(TOKEN_MAX, **_NOT_NULL),
    },
    name="ChangeSchema",
)
"""The body of a change: what it names is changed. `token`, that of the running attempt, is required if it is active."""

PlanChangeSchema = new_job.KnownOnly.from_dict(
    {name: _field(_OPTIONS[name]) for name in CHANGEABLE}, name="PlanChangeSchema"
)
"""What a plan changes of each of its jobs."""

CHANGE_EXAMPLE = {"priority": 3, "data": {"to": "grace@example.com"}}
_RETRY, _CHANGE = RetrySchema(), ChangeSchema()
_NAMES = {name: None for name in _CHANGE.fields if name != "token"}.keys()


class Changed(NamedTuple):
    """A change, and the token of the attempt in which it is made, if any."""

    change: Change
    token: str | None


class Retried(NamedTuple):
    """How a job is retried: whether its attempts are reset, and its new data, if it gets some."""

    reset_attempts: bool = True
    data: JsonText | None = None


def load_retry(raw: bytes, *, max_data_bytes: int) -> Retried:
    """Read the body of a retry, which may be empty. Raises InvalidRequest, TooLarge."""
    if not raw.strip():
        return Retried()
    members, _ = objects.read_object(raw, Form(frozenset(_RETRY.fields), limits={"data": max_data_bytes}))
    data = members.get("data")
    loaded = new_job.loaded(_RETRY, _values(members, data, max_data_bytes))
    return Retried(loaded.get("resetAttempts") is not False, None if data is None else JsonText(data))


def load_change(raw: bytes, *, max_data_bytes: int) -> Changed:
    """Read the body of a change. Raises InvalidRequest with all its faults, TooLarge."""
    limits = {"data": max_data_bytes, "name": new_job.NAME_TEXT_MAX, "tags": new_job.OPTS_TEXT_MAX}
    members, _ = objects.read_object(raw, Form(frozenset(_CHANGE.fields), limits=limits))
    data = members.get("data")
    loaded = new_job.loaded(_CHANGE, _values(members, data, max_data_bytes))
    if not loaded.keys() & _NAMES:
        raise InvalidRequest(Fault(BODY, f"must name what to change: {', '.join(_NAMES)}"))
    change = change_of(loaded, data=None if data is None else JsonText(data))
    return Changed(change, ids.lease_token(loaded["token"]) if "token" in loaded else None)


def _values(members: dict[str, JsonText], data: str | None, max_data_bytes: int) -> dict[str, Any]:
    """Return the values of members, the data as their text; null stays a fault. Raises TooLarge."""
    if data is not None:
        new_job.require_size(data, "data", max_data_bytes)
    values = objects.owns(members, objects=("tags",), besides=("data",))
    if data is not None and data.strip() != "null":
        values["data"] = data
    return values


def change_of(loaded: Mapping[str, Any], *, data: JsonText | None = None) -> Change:
    """Return the change of loaded members."""
    return Change(
        data=data,
        name=loaded.get("name"),
        priority=loaded.get("priority"),
        lifo=loaded.get("lifo"),
        delay_ms=loaded.get("delay"),
        attempts=None if "attempts" not in loaded else max(1, loaded["attempts"]),
        tags=loaded.get("tags"),
    )
