"""The body of POST /workers: where the jobs of a queue are sent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields

from app.domain import endpoint, ids
from app.domain.endpoint import Limiter, NewEndpoint
from app.domain.errors import Fault, InvalidRequest
from app.domain.retention import SETTINGS, Retention
from app.net import addresses, signing
from app.net.addresses import Network
from app.web.fields import Text, Whole
from app.web.jobs import new_job
from app.wire import objects, retention
from app.wire.demands import Form
from app.wire.retention import Kept

_UNKNOWN = {"unknown": "is not known here", "type": "must be an object"}
_METHOD = {"type": "string", "pattern": "^([Pp][Oo][Ss][Tt]|[Pp][Uu][Tt]|[Pp][Aa][Tt][Cc][Hh])$"}
_HEADERS = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "maxProperties": endpoint.HEADERS_MAX,
}
_SECRETS = {
    "type": "array",
    "items": {"type": "string", "pattern": "^whsec_[A-Za-z0-9+/]+=*$"},
    "maxItems": signing.SECRETS_MAX,
}
_REQUIRED: new_job.Messages = {"required": "is required", "null": "must not be null"}


class Method(fields.Field[str]):
    """The method of the calls, in any case."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str) or not value.isascii() or value.upper() not in endpoint.METHODS:
            raise ValidationError("must be one of " + ", ".join(endpoint.METHODS))
        return value.upper()


class Headers(fields.Field[dict[str, str]]):
    """The headers of the calls, by name; null counts as absent."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        wrong: dict[str, Any] = {name: [fault] for name, text in value.items() if (fault := _header_fault(name, text))}
        if wrong:
            raise ValidationError(wrong)
        if fault := endpoint.headers_fault(value):
            raise ValidationError(fault)
        return value


def _header_fault(name: str, value: Any) -> str | None:
    return endpoint.header_fault(name, value) if isinstance(value, str) else "must be a string"


class Secrets(fields.Field[list[str]]):
    """The secrets that sign the calls, the newest first; null counts as absent. Messages do not repeat secrets."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        if not isinstance(value, list) or len(value) > signing.SECRETS_MAX:
            raise ValidationError(f"must be an array of at most {signing.SECRETS_MAX} strings")
        faults = {
            place: [signing.secret_fault(secret) if isinstance(secret, str) else "must be a string"]
            for place, secret in enumerate(value)
        }
        if wrong := {place: said for place, said in faults.items() if said[0]}:
            raise ValidationError(wrong)
        return value


class EndpointSchema(Schema):
    """The URL the jobs are sent to, and how."""

    error_messages = _UNKNOWN
    url = Text(endpoint.URL_MAX, required=True, error_messages=_REQUIRED)
    method = Method(required=True, error_messages=_REQUIRED, metadata=_METHOD)
    headers = Headers(allow_none=True, metadata=_HEADERS)
    timeout = Whole(1, endpoint.TIMEOUT_MAX_MS)
    secrets = Secrets(allow_none=True, metadata=_SECRETS)


class LimiterSchema(Schema):
    """At most `max` calls in each `duration` ms."""

    error_messages = _UNKNOWN
    max = Whole(1, endpoint.LIMITER_MAX, required=True, allow_none=False, error_messages=_REQUIRED)
    duration = Whole(1, endpoint.LIMITER_MAX_MS, required=True, allow_none=False, error_messages=_REQUIRED)


class WorkerOptsSchema(Schema):
    """The `opts` of an endpoint: its limits."""

    error_messages = _UNKNOWN
    concurrency = Whole(1, endpoint.CONCURRENCY_MAX)
    limiter = fields.Nested(LimiterSchema, allow_none=True)
    maxStalledCount = Whole(1, endpoint.STALLED_MAX)
    removeOnComplete = Kept()
    removeOnFail = Kept()


class WorkerSchema(Schema):
    """A queue and its endpoint."""

    error_messages = _UNKNOWN
    queue = Text(ids.QUEUE_NAME_MAX, required=True, error_messages=_REQUIRED)
    endpoint = fields.Nested(EndpointSchema, required=True, error_messages=_REQUIRED)
    opts = fields.Nested(WorkerOptsSchema, allow_none=True)


EXAMPLE = {
    "queue": "demo",
    "endpoint": {"url": "https://example.com/jobs", "method": "POST", "timeout": 10_000},
    "opts": {"concurrency": 5, "limiter": {"max": 100, "duration": 1_000}},
}
"""An example body, for the OpenAPI document."""
_schema = WorkerSchema()
_FORM = Form(frozenset(_schema.fields))


def load(raw: bytes, *, allowed: Sequence[Network]) -> NewEndpoint:
    """Read the body. Raises InvalidRequest with all faults, each with its path; UnparsableBody.

    `allowed` are networks that may be called although they are not public.
    """
    asked = objects.owns(objects.read_object(raw, _FORM)[0], objects=("endpoint", "opts"))
    faults: list[Fault] = []
    loaded: Mapping[str, Any] = {}
    try:
        loaded = _schema.load(asked)
    except ValidationError as error:
        faults += new_job.faults(error, "")
    known = {fault.path for fault in faults}
    faults += [fault for fault in _beyond_form(asked, allowed) if fault.path not in known]
    if faults:
        raise InvalidRequest(*faults)
    return _endpoint(loaded)


def _beyond_form(asked: Mapping[str, Any], allowed: Sequence[Network]) -> Iterator[Fault]:
    """Yield the faults that the schema does not find."""
    queue, target = asked.get("queue"), asked.get("endpoint")
    if isinstance(queue, str) and (fault := ids.name_fault(queue, max_length=ids.QUEUE_NAME_MAX)):
        yield Fault("queue", fault)
    url = target.get("url") if isinstance(target, dict) else None
    if isinstance(url, str) and (fault := addresses.url_fault(url, allowed=allowed)):
        yield Fault("endpoint.url", fault)


def _endpoint(loaded: Mapping[str, Any]) -> NewEndpoint:
    target, opts = loaded["endpoint"], loaded.get("opts") or {}
    limiter = opts.get("limiter")
    return NewEndpoint(
        queue=loaded["queue"],
        url=target["url"],
        method=target["method"],
        headers=target.get("headers") or {},
        secrets=target.get("secrets") or [],
        timeout_ms=target.get("timeout") or endpoint.TIMEOUT_MS,
        concurrency=opts.get("concurrency") or endpoint.CONCURRENCY,
        limiter=Limiter(max_calls=limiter["max"], window_ms=limiter["duration"]) if limiter else None,
        max_stalled_count=opts.get("maxStalledCount"),
        retention=Retention(**retention.changes({name: opts.get(name) for name in SETTINGS})),
    )
