"""Webhooks: the endpoint of a queue, to which dispatchers send its jobs. The paths say /workers as in BullMQ Proxy."""

import dataclasses
import secrets

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, TooManyEndpoints, WorkerNotFound
from app.domain.tokens import ALL, Action, Caller
from app.infra.settings import Settings
from app.infra.vault import Vault
from app.net import signing
from app.operations import endpoints as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import endpoints as queries
from app.web import answers, auth, body, describe, names
from app.web.auth import CALLER, Tokens
from app.web.endpoints import schemas, states

SECRET_BYTES = 32
SECRET_HEADER = "Rowline-Webhook-Secret"  # noqa: S105 - the name of a header, no secret


def blueprint(settings: Settings, db: Database, vault: Vault, access: Tokens) -> Blueprint:
    """Return the routes below /workers, and those of the states of endpoints."""
    routes = Blueprint("workers", __name__)
    states.add_routes(routes, settings, db, access)
    _add_register(routes, settings, db, vault, access)

    @routes.get("/workers")
    @describe.route(action=Action.ENDPOINTS, gives="application/json", raises=(DatabaseError,))
    def list_urls() -> Response:
        """List the URLs of the endpoints, by queue; those that the token may manage."""
        caller: Caller = request.environ[CALLER]
        urls = queries.urls(db)
        return answers.json({queue: url for queue, url in urls.items() if caller.may(Action.ENDPOINTS, queue)})

    @routes.delete("/workers/<segment:queue>")
    @describe.route(
        action=Action.ENDPOINTS,
        gives="text/plain",
        raises=(InvalidRequest, WorkerNotFound, DatabaseError, OutcomeUnknown),
    )
    def remove(queue: str) -> Response:
        """Delete the endpoint of a queue."""
        operations.remove(db, actor=access.actor(request), queue=names.queue_name(queue))
        return answers.plain("OK")

    return routes


def _add_register(routes: Blueprint, settings: Settings, db: Database, vault: Vault, access: Tokens) -> None:
    @routes.post("/workers")
    @describe.route(
        action=Action.ENDPOINTS,
        body=schemas.WorkerSchema,
        gives="text/plain",
        gives_headers=(SECRET_HEADER,),
        raises=(InvalidRequest, *body.ERRORS, TooManyEndpoints, DatabaseError, OutcomeUnknown),
        example={"body": schemas.EXAMPLE},
    )
    def register() -> Response:
        """Register the endpoint of a queue, or replace it."""
        raw = body.read_short(request, settings)
        new = schemas.load(raw, allowed=settings.webhook_allow)
        access.require(request, Action.ENDPOINTS, new.queue)
        new = dataclasses.replace(new, sees_payload=auth.may_see(request, new.queue))
        headers = {}
        # Who registers the endpoints of some queues only is sent nothing that the receivers of others take for genuine.
        caller: Caller = request.environ[CALLER]
        if not new.secrets and not (settings.webhook_secrets and ALL in caller.patterns(Action.ENDPOINTS)):
            headers[SECRET_HEADER] = signing.secret(secrets.token_bytes(SECRET_BYTES))
            new = dataclasses.replace(new, secrets=[headers[SECRET_HEADER]])
        operations.register(db, actor=access.actor(request), new=new, vault=vault, max_endpoints=settings.max_endpoints)
        return answers.plain("OK", headers=headers)
