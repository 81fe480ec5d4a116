"""API tokens: create, list, rotate, revoke."""

from flask import Blueprint, Response, request

from app.domain.errors import Forbidden, InvalidRequest, NotRotating, TokenEnded, TokenNotFound, TooManyTokens
from app.domain.tokens import Action, Caller
from app.infra.settings import Settings
from app.operations import tokens as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import tokens as queries
from app.web import answers, auth, body, describe, names
from app.web.auth import CALLER, Tokens
from app.web.jobs import page
from app.web.tokens import schemas

_ONE = (InvalidRequest, TokenNotFound, DatabaseError, OutcomeUnknown)


def blueprint(settings: Settings, db: Database, access: Tokens) -> Blueprint:
    """Return the routes below /tokens."""
    routes = Blueprint("tokens", __name__)
    _add_create(routes, settings, db, access)
    _add_list(routes, db)
    _add_revoke(routes, db, access)
    _add_rotation(routes, settings, db, access)
    return routes


def _caller() -> Caller:
    found: Caller = request.environ[CALLER]
    return found


def _add_create(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    issued_json = schemas.IssuedTokenSchema()

    @routes.post("/tokens")
    @describe.route(
        action=Action.TOKENS,
        body=schemas.NewTokenSchema,
        gives=issued_json,
        raises=(InvalidRequest, *body.ERRORS, Forbidden, TooManyTokens, DatabaseError, OutcomeUnknown),
        example={"body": schemas.EXAMPLE},
    )
    def create() -> Response:
        """Create a token. Its secret is shown in this response only."""
        new = schemas.load(body.read_short(request, settings))
        issued = operations.create(
            db,
            actor=access.actor(request),
            caller=_caller(),
            secret=auth.secret(request),
            name=new.name,
            scopes=new.scopes,
            limits=new.limits,
            expires_at=new.expires_at,
        )
        return answers.json(schemas.dump_issued(issued))


def _add_list(routes: Blueprint, db: Database) -> None:
    @routes.get("/tokens")
    @describe.route(
        action=Action.TOKENS,
        query=page.PartQuerySchema,
        gives=schemas.TokensSchema(),
        raises=(InvalidRequest, DatabaseError),
    )
    def list_tokens() -> Response:
        """List the tokens, the newest first; those of AUTH_TOKENS are not among them."""
        start, length = page.load_part(request)
        count, found = queries.page(db, start=start, length=length)
        return answers.json({"tokens": [schemas.dump(token) for token in found], "count": count})


def _add_revoke(routes: Blueprint, db: Database, access: Tokens) -> None:
    token_json = schemas.TokenSchema()

    @routes.delete("/tokens/<segment:token_id>")
    @describe.route(action=Action.TOKENS, gives=token_json, raises=_ONE)
    def revoke(token_id: str) -> Response:
        """Revoke a token: it is refused everywhere within 5 s."""
        token = operations.revoke(
            db,
            actor=access.actor(request),
            caller=_caller(),
            secret=auth.secret(request),
            token_id=names.token_id(token_id),
        )
        access.distrust()
        return answers.json(schemas.dump(token))


def _add_rotation(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    issued_json, token_json = schemas.IssuedTokenSchema(), schemas.TokenSchema()

    @routes.post("/tokens/<segment:token_id>/rotate")
    @describe.route(action=Action.TOKENS, gives=issued_json, raises=(*_ONE, *body.ERRORS, Forbidden, TokenEnded))
    def rotate(token_id: str) -> Response:
        """Give a token a second secret; both are valid until the rotation is finished."""
        token_id = names.token_id(token_id)
        body.read_short(request, settings)  # read, but ignored
        issued = operations.rotate(
            db, actor=access.actor(request), caller=_caller(), secret=auth.secret(request), token_id=token_id
        )
        access.distrust()
        return answers.json(schemas.dump_issued(issued))

    @routes.post("/tokens/<segment:token_id>/finish-rotation")
    @describe.route(
        action=Action.TOKENS, gives=token_json, raises=(*_ONE, *body.ERRORS, Forbidden, TokenEnded, NotRotating)
    )
    def finish_rotation(token_id: str) -> Response:
        """Make the second secret of a token its only one."""
        token_id = names.token_id(token_id)
        body.read_short(request, settings)  # read, but ignored
        token = operations.finish_rotation(
            db, actor=access.actor(request), caller=_caller(), secret=auth.secret(request), token_id=token_id
        )
        access.distrust()
        return answers.json(schemas.dump(token))
