"""The OpenAPI document, generated from the schemas, the routes and their descriptions."""

import re
from importlib import metadata
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields
from werkzeug.routing import Rule

from app.domain import errors, ids, scheduled
from app.domain.backoff import LONGEST_MS
from app.domain.deduplication import ID_MAX
from app.domain.states import Status
from app.postgres.database import DatabaseError, OutcomeUnknown
from app.web import describe, problems
from app.web.describe import Description
from app.web.fields import Flag, NotYet, Number, StringOrLines, Text, Texts, Unfit, Whole
from app.web.jobs.new_job import (
    BackoffField,
    BackoffSchema,
    DeduplicationField,
    DeduplicationId,
    DeduplicationSchema,
    JobId,
    TelemetryField,
    TelemetrySchema,
)
from app.web.jobs.page import ALL, Statuses
from app.web.problem import ProblemSchema
from app.wire.fields import Json, Milliseconds
from app.wire.job import PAYLOAD

VERSION = "3.1.0"
REQUESTS = {
    *("NewJob", "Opts", "Backoff", "Deduplication", "Telemetry", "Claim", "Complete", "Fail", "Release", "Extend"),
    *("Finish", "Ending", "Next", "Line", "Worker", "Endpoint", "WorkerOpts", "Limiter", "NewToken", "TokenLimits"),
    *("Retry", "Change", "Pause", "QueueChange", "QueueSettings", "Defaults", "Retention"),
    *("NewPlan", "Filter", "PlanChange", "Apply"),
    *("NewSchedule", "Template", "TemplateOpts", "NewTiming"),
}
"""The schemas of requests: unknown members are rejected."""
HIDEABLE = {*PAYLOAD, "logs"}
"""Members that a response lacks if the token lacks `payload`."""
NAME = r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f-\x9f]+$"
KEY = r'^(?:[!#-~](?:[ -~]{0,253}[!-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,255}")$'  # as `domain/keys` reads it
CUSTOM_ID = r"^(?!repeat:)(?![0-9]+$)(?!\.{1,2}$)[^/\x00-\x1f\x7f-\x9f]*$"
_ABOUT = """An HTTP job queue on PostgreSQL.

A 200 response to adding jobs means: all jobs of the array are committed and will be worked at least once. Every
response with a status of 400 or above is a Problem; clients should check its `code`. An unsupported method is a 405
with `Allow`, an unknown path a 404 (`not_found`). Unknown query parameters are ignored, but by GET /jobs; one given
twice is a 400.
Beyond the schemas, NUL characters, lone surrogates, nesting deeper than 128 and integers of more than 1,000 digits
are rejected with 400 anywhere in a body.

The handbook is at [/docs](/docs)."""
_PATHS: dict[str, dict[str, Any]] = {
    "queue": {
        "about": "The name of a queue; queues need not be created.",
        "max": ids.QUEUE_NAME_MAX,
        "example": "demo",
    },
    "page": {"about": "The name of a page.", "max": 255, "example": "api.md"},
    "decision": {"about": "The name of a decision record.", "max": 255, "example": "0003-the-place-in-line.md"},
    "asset": {"about": "The name of a file.", "max": 255, "example": "handbook.css"},
    "dedup_id": {"about": "A deduplication id.", "max": ID_MAX, "example": "invoice-4711"},
    "schedule_id": {"about": "The id of a schedule.", "max": scheduled.ID_MAX, "example": "nightly-report"},
    "plan_id": {
        "about": "The id of a plan, a UUID.",
        "max": 255,
        "example": "0b3c5a8e-6c1f-4a52-9d0e-2f4b7a91c3d7",
    },
    "token_id": {"about": "The id of an API token, which is a part of it.", "max": 255, "example": "Ab3dEf9h"},
    "job_id": {"about": "The id of a job, generated or custom.", "max": ids.JOB_ID_MAX, "example": "welcome-ada"},
}
REQUEST_HEADERS: dict[str, dict[str, Any]] = {
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last event that was received: the stream goes on after it, as with `after`.",
        "schema": {"type": "string", "pattern": "^([0-9]{1,15}|start)$"},
        "example": "4711",
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the request safe to retry: 1 to 255 printable ASCII characters, bare or quoted.",
        "schema": {"type": "string", "pattern": KEY},
        "example": "order-4711",
    },
    "traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "The trace of the request, as W3C Trace Context writes it: it travels with the jobs.",
        "schema": {"type": "string"},
        "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    "tracestate": {
        "name": "tracestate",
        "in": "header",
        "description": "What vendors add to it.",
        "schema": {"type": "string"},
    },
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id for the request, for the logs; an invalid one is replaced, not rejected.",
        "schema": {"type": "string"},
    },
}
ANSWER_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of the request in the logs.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    },
    "Retry-After": {
        "description": "Seconds to wait before retrying.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}},
    "Rowline-Webhook-Secret": {
        "description": "The generated secret that signs the calls, if one was generated; it is shown only here.",
        "schema": {"type": "string", "pattern": "^whsec_[A-Za-z0-9+/=]+$"},
    },
    "Idempotency-Replayed": {
        "description": "Present if this is the stored response to an earlier request.",
        "schema": {"type": "string", "const": "true"},
    },
}
BY_TOKEN = (errors.Unauthorized, errors.Forbidden, errors.OverQuota)
"""What every route that needs an API token may respond with."""
_HEADERS_OF = {errors.Unauthorized.code: "WWW-Authenticate"} | dict.fromkeys(
    (
        errors.KeyInUse.code,
        errors.NoRoom.code,
        errors.OverQuota.code,
        DatabaseError.code,
        OutcomeUnknown.code,
        "not_ready",
    ),
    "Retry-After",
)


def document(flask: Flask, *, open_blueprints: set[str]) -> dict[str, Any]:
    """Describe every route of `flask`. Raises LookupError for one without a description."""
    spec = _spec()
    for rule in flask.url_map.iter_rules():
        view = flask.view_functions[rule.endpoint]
        described = describe.of(view)
        operation = _operation(described, rule, summary=(view.__doc__ or "").split("\n")[0])
        if rule.endpoint.split(".")[0] not in open_blueprints:
            action = [] if described.action is None else [described.action.value]
            operation["security"] = [{"attempt" if described.by_attempt else "token": action}]
            for error in (errors.Unauthorized,) if described.by_attempt else BY_TOKEN:
                operation["responses"][str(problems.STATUSES[error])] = _refusal([error.code])
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        spec.path(path=path(rule), operations={method.lower(): operation for method in methods})
    made = spec.to_dict()
    for name, schema in made["components"]["schemas"].items():
        if name not in REQUESTS:
            schema.pop("additionalProperties", None)  # later releases may add members to responses
        if "hidden" in schema.get("properties", {}):
            schema["required"] = [name for name in schema["required"] if name not in HIDEABLE]
    return dict(made)


def _spec() -> APISpec:
    """Describe what the routes share: schemas, tokens, headers and parameters."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="Rowline",
        version=metadata.version("rowline"),
        openapi_version=VERSION,
        plugins=[plugin],
        info={"description": _ABOUT},
    )
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_type)  # type: ignore[no-untyped-call]
    plugin.converter.add_parameter_attribute_function(_form)
    spec.components.schema("Problem", schema=ProblemSchema)
    spec.components.schema("Backoff", schema=BackoffSchema)
    spec.components.schema("Deduplication", schema=DeduplicationSchema)
    spec.components.schema("Telemetry", schema=TelemetrySchema)
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    by_attempt = {"type": "http", "scheme": "bearer", "description": "The token of the running attempt."}
    spec.components.security_scheme("attempt", by_attempt)
    for name, header in ANSWER_HEADERS.items():
        spec.components.header(name, header)
    for name, parameter in REQUEST_HEADERS.items():
        spec.components.parameter(name, "header", parameter)
    for name, about in _PATHS.items():
        spec.components.parameter(name, "path", _path_parameter(name, about))
    return spec


def path(rule: Rule) -> str:
    """Return the path of a rule in OpenAPI's notation."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def refusals(described: Description) -> dict[int, list[str]]:
    """Return the error codes that a route may respond with, by status."""
    found: dict[int, list[str]] = {}
    for error in described.raises:
        found.setdefault(problems.STATUSES[error], []).append(error.code)
    for code, status, _ in problems.HTTP_CODES:
        if status in {*described.statuses, 500}:
            found.setdefault(status, []).append(code)
    return dict(sorted(found.items()))


def _operation(described: Description, rule: Rule, *, summary: str) -> dict[str, Any]:
    names = re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)
    refused = {str(status): _refusal(codes) for status, codes in refusals(described).items()}
    parameters: list[Any] = [*names, *described.headers, "X-Request-Id"]
    if described.query:
        parameters.append({"in": "query", "schema": described.query})
    operation: dict[str, Any] = {
        "operationId": rule.endpoint.split(".")[1],
        "tags": rule.endpoint.split(".")[:1],
        "summary": summary,
        "parameters": parameters,
        "responses": _successes(described) | refused,
    }
    if described.body:
        schema: Any = {"type": "array", "items": described.body} if described.body_many else described.body
        media: dict[str, Any] = {"schema": schema}
        if "body" in described.example:
            media["example"] = described.example["body"]
        operation["requestBody"] = {"required": described.body_required, "content": {"application/json": media}}
    return operation


def _successes(described: Description) -> dict[str, Any]:
    made = {"201": _success(described) | {"description": "It is new."}} if described.creates else {}
    return {"200": _success(described)} | made


def _success(described: Description) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if isinstance(described.gives, Schema):
        schema: Any = {"type": "array", "items": described.gives} if described.gives_many else described.gives
        content["application/json"] = {"schema": schema}
        if "answer" in described.example:
            content["application/json"]["example"] = described.example["answer"]
    else:
        kind = {"type": "object"} if described.gives.endswith("json") else {"type": "string"}
        content[described.gives] = {"schema": kind}
    return {"description": "Success.", "headers": _headers(described.gives_headers), "content": content}


def _refusal(codes: list[str]) -> dict[str, Any]:
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": _headers(tuple(_HEADERS_OF[code] for code in codes if code in _HEADERS_OF)),
        "content": {"application/json": {"schema": "Problem"}},
    }


def _headers(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def _path_parameter(name: str, about: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": about["max"], "pattern": NAME}
    return {"name": name, "description": about["about"], "schema": schema, "example": about["example"]}


def _name(schema: type[Schema] | Schema) -> str:
    made = schema if isinstance(schema, type) else type(schema)
    return made.__name__.removesuffix("Schema")


def _form(_converter: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """Describe `statuses` as one comma-separated parameter."""
    return {"style": "form", "explode": False} if isinstance(field, Statuses) else {}


def _type(_converter: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 -- a table
    """Describe Rowline's own field types as JSON Schema; apispec describes marshmallow's."""
    null = ["null"] if field.allow_none else []
    match field:
        case Whole():
            return {"type": ["integer", *null] if null else "integer", "minimum": field.low, "maximum": field.high}
        case Number():
            return {"type": ["number", *null], "minimum": field.low, "maximum": field.high}
        case Flag():
            return {"type": ["boolean", *null] if null else "boolean"}
        case DeduplicationId():
            return {"type": "string", "minLength": 1, "maxLength": ID_MAX, "pattern": NAME}
        case TelemetryField():
            return {"anyOf": [{"$ref": f"#/components/schemas/{_name(TelemetrySchema)}"}, {"type": "null"}]}
        case DeduplicationField():
            return {"anyOf": [{"$ref": f"#/components/schemas/{_name(DeduplicationSchema)}"}, {"type": "null"}]}
        case JobId():
            return {"type": ["string", *null], "maxLength": ids.JOB_ID_MAX, "pattern": CUSTOM_ID}
        case Text():
            return {
                "type": ["string", *null] if null else "string",
                "maxLength": field.longest,
                "pattern": r"^[^\x00]*$",
            }
        case Texts():
            text = {"type": "string", "minLength": 1, "maxLength": field.longest, "pattern": r"^[^\x00]*$"}
            return {"type": ["array", *null] if null else "array", "items": text, "maxItems": field.max_items}
        case StringOrLines():
            return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
        case NotYet():
            return {
                "type": "null",
                "description": "Not implemented yet: only null is accepted, which counts as absent.",
            }
        case Unfit():
            return {"type": "null", "description": f"Only null is accepted, which counts as absent: {field.why}."}
        case BackoffField():
            fixed = {"type": "integer", "minimum": 0, "maximum": LONGEST_MS, "description": "fixed backoff in ms"}
            reference = {"$ref": f"#/components/schemas/{_name(BackoffSchema)}"}
            return {"anyOf": [reference, fixed, {"type": "null"}]}
        case Statuses():
            return {"type": "array", "items": {"type": "string", "enum": [ALL, *Status]}}
        case Milliseconds():
            kind: Any = ["integer", "null"] if field.allow_none else "integer"
            return {"type": kind, "description": "milliseconds since the Unix epoch"}
        case Json():
            return {"description": "Any JSON value; it is stored and returned unchanged, byte for byte."}
    return {}
