"""The settings of the service, which hold for queues that have none of their own."""

from flask import Blueprint, Response, request

from app.domain.errors import Forbidden, InvalidRequest
from app.domain.tokens import ALL, Action, Caller, Scope
from app.infra.settings import Settings
from app.operations import settings as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import settings as queries
from app.web import answers, body, describe
from app.web.auth import CALLER, Tokens
from app.web.jobs import new_job
from app.wire import objects, retention
from app.wire.demands import Form
from app.wire.retention import RetentionSchema, RetentionSetSchema

EXAMPLE = {"removeOnComplete": {"age": 604_800}, "removeOnFail": False}
"""An example body, for the OpenAPI document."""
_schema = RetentionSchema()
_FORM = Form(frozenset(_schema.fields))


def blueprint(settings: Settings, db: Database, access: Tokens) -> Blueprint:
    """Return the routes of /settings."""
    routes = Blueprint("settings", __name__)

    @routes.get("/settings")
    @describe.route(action=Action.READ, gives=RetentionSetSchema(), raises=(DatabaseError,))
    def get_settings() -> Response:
        """Get the settings of the service that are set."""
        return answers.json(retention.dump(queries.find(db)))

    @routes.patch("/settings")
    @describe.route(
        action=Action.QUEUES,
        body=RetentionSchema,
        gives=RetentionSetSchema(),
        raises=(InvalidRequest, *body.ERRORS, Forbidden, DatabaseError, OutcomeUnknown),
        example={"body": EXAMPLE},
    )
    def change_settings() -> Response:
        """Change the settings of the service that are named; null takes one away. The scope must be for all queues."""
        caller: Caller = request.environ[CALLER]
        if ALL not in caller.patterns(Action.QUEUES):
            raise Forbidden.of(Scope(Action.QUEUES))
        raw = body.read_short(request, settings)
        asked = objects.owns(objects.read_object(raw, _FORM)[0], objects=("removeOnComplete", "removeOnFail"))
        keeps = retention.changes(new_job.loaded(_schema, asked))
        return answers.json(retention.dump(operations.change(db, actor=access.actor(request), keeps=keeps)))

    return routes
