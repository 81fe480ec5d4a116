"""How endpoints stand: which are switched off, since when and why; switching one on."""

from typing import Any

from flask import Blueprint, Response, request
from marshmallow import Schema, fields

from app.domain.endpoint import EndpointState
from app.domain.errors import InvalidRequest, WorkerNotFound
from app.domain.tokens import Action, Caller
from app.infra.settings import Settings
from app.operations import endpoints as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import endpoints as queries
from app.web import answers, body, describe, names
from app.web.auth import CALLER, Tokens
from app.web.jobs import page
from app.wire import retention
from app.wire.fields import Milliseconds, milliseconds
from app.wire.retention import RetentionSetSchema


class CallLimiterSchema(Schema):
    """At most `max` calls in each `duration` ms."""

    max = fields.Integer(required=True)
    duration = fields.Integer(required=True)


class EndpointStateSchema(RetentionSetSchema):
    """The endpoint of a queue, without its headers and secrets. Times that there are not are omitted."""

    queue = fields.String(required=True)
    url = fields.String(required=True)
    method = fields.String(required=True)
    timeout = fields.Integer(required=True, metadata={"description": "ms that a call may take"})
    concurrency = fields.Integer(required=True, metadata={"description": "calls at a time"})
    limiter = fields.Nested(CallLimiterSchema)
    maxStalledCount = fields.Integer()
    seesPayload = fields.Boolean(
        required=True, metadata={"description": "it is sent what earlier attempts left of a job too"}
    )
    registeredOn = Milliseconds(required=True)
    isOn = fields.Boolean(required=True, metadata={"description": "dispatchers send it the jobs of the queue"})
    switchedOffOn = Milliseconds(metadata={"description": "since when it is off"})
    switchedOffReason = fields.String(metadata={"description": "why"})
    pausedUntil = Milliseconds(metadata={"description": "until when it asked for no calls, by `Retry-After`"})


class EndpointsSchema(Schema):
    """Some endpoints, by queue, and how many match."""

    endpoints = fields.List(fields.Nested(EndpointStateSchema), required=True)
    count = fields.Integer(required=True)
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)


EXAMPLE = {
    "queue": "demo",
    "url": "https://example.com/jobs",
    "method": "POST",
    "timeout": 10_000,
    "concurrency": 5,
    "limiter": {"max": 100, "duration": 1_000},
    "seesPayload": True,
    "registeredOn": 1_780_000_000_000,
    "isOn": False,
    "switchedOffOn": 1_780_000_060_000,
    "switchedOffReason": "the endpoint answered 410 Gone",
}


def add_routes(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    """Add the routes of the states of endpoints."""
    _add_reads(routes, db)
    _add_switch_on(routes, settings, db, access)


def _add_reads(routes: Blueprint, db: Database) -> None:
    query = page.OfQueuesQuerySchema()

    @routes.get("/endpoints")
    @describe.route(
        action=Action.ENDPOINTS,
        query=page.OfQueuesQuerySchema,
        gives=EndpointsSchema(),
        raises=(InvalidRequest, DatabaseError),
        example={"answer": {"endpoints": [EXAMPLE], "count": 1, "start": 0, "length": 10}},
    )
    def list_states() -> Response:
        """List the endpoints that the token may manage, by queue, and which are switched off, since when and why."""
        asked = page.loaded_query(query, request.query_string)
        caller: Caller = request.environ[CALLER]
        count, found = queries.page(db, allowed=caller.patterns(Action.ENDPOINTS), **asked)
        part = {"start": asked["start"], "length": asked["length"]}
        return answers.json({"endpoints": [*map(dump, found)], "count": count} | part)

    @routes.get("/queues/<segment:queue>/endpoint")
    @describe.route(
        action=Action.ENDPOINTS,
        gives=EndpointStateSchema(),
        raises=(InvalidRequest, WorkerNotFound, DatabaseError),
        example={"answer": EXAMPLE},
    )
    def get_state(queue: str) -> Response:
        """Get the endpoint of a queue, without its headers and secrets."""
        return answers.json(dump(queries.state(db, queue=names.queue_name(queue))))


def _add_switch_on(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    @routes.post("/queues/<segment:queue>/endpoint/switch-on")
    @describe.route(
        action=Action.ENDPOINTS,
        gives=EndpointStateSchema(),
        raises=(InvalidRequest, *body.ERRORS, WorkerNotFound, DatabaseError, OutcomeUnknown),
    )
    def switch_on(queue: str) -> Response:
        """Switch the endpoint of a queue on that was switched off. One that is on stays as it is."""
        queue = names.queue_name(queue)
        body.read_short(request, settings)  # read, but ignored
        return answers.json(dump(operations.switch_on(db, actor=access.actor(request), queue=queue)))


def dump(one: EndpointState) -> dict[str, Any]:
    """Return the JSON of an endpoint."""
    limiter = one.limiter and {"max": one.limiter.max_calls, "duration": one.limiter.window_ms}
    times = {"switchedOffOn": one.switched_off_at, "pausedUntil": one.paused_until}
    members = {
        "queue": one.queue,
        "url": one.url,
        "method": one.method,
        "timeout": one.timeout_ms,
        "concurrency": one.concurrency,
        "limiter": limiter,
        "maxStalledCount": one.max_stalled_count,
        "seesPayload": one.sees_payload,
        "registeredOn": milliseconds(one.registered_at),
        "isOn": one.switched_off_at is None,
        "switchedOffReason": one.switched_off_reason,
    } | {name: at and milliseconds(at) for name, at in times.items()}
    return {name: value for name, value in members.items() if value is not None} | retention.dump(one.retention)
