"""The body of POST /tokens, and the responses."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from app.domain import tokens as domain
from app.domain.tokens import LIMIT_MAX, NAME_MAX, SCOPE_MAX, SCOPES_MAX, STREAMS, Limits, Scope, Token
from app.operations.tokens import Issued
from app.web.fields import Text, Texts, Whole
from app.web.jobs import new_job
from app.wire import objects
from app.wire.demands import Form
from app.wire.fields import Milliseconds

_UNKNOWN = {"unknown": "is not known here", "type": "must be an object"}
_REQUIRED: new_job.Messages = {"required": "is required", "null": "must not be null"}
TIME_MAX = 253_402_300_799_000  # ms since the epoch: the end of the year 9999


class Scopes(Texts):
    """What a token may do."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        texts = super()._deserialize(value, *args, **options)
        if not texts:
            raise ValidationError("must not be empty")
        scopes, faults = [], {}
        for nth, text in enumerate(texts):
            try:
                scopes.append(Scope.read(text))
            except ValueError as error:
                faults[nth] = [str(error)]
        if faults:
            raise ValidationError(faults)
        return scopes


class TokenLimitsSchema(Schema):
    """What a token may use. Rates are kept by each API process by itself."""

    error_messages = _UNKNOWN
    requestsPerS = Whole(1, LIMIT_MAX)
    jobsPerS = Whole(1, LIMIT_MAX, metadata={"description": "jobs that it adds"})
    waitingJobs = Whole(
        1, LIMIT_MAX, metadata={"description": "it adds none to a queue in which so many jobs have not started"}
    )
    streams = Whole(
        1, LIMIT_MAX, metadata={"description": f"of events, at a time in each API process; default: {STREAMS}"}
    )


class NewTokenSchema(Schema):
    """A token to create."""

    error_messages = _UNKNOWN
    name = Text(
        NAME_MAX,
        required=True,
        error_messages=_REQUIRED | {"null": "must be a string"},
        validate=validate.Length(min=1, error="must not be empty"),
    )
    scopes = Scopes(SCOPES_MAX, SCOPE_MAX, required=True, allow_none=False, error_messages=_REQUIRED)
    expiresOn = Whole(1, TIME_MAX, metadata={"description": "ms since the epoch"})
    limits = fields.Nested(TokenLimitsSchema, allow_none=True)


class TokenSchema(Schema):
    """A token without its secret."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    limits = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    createdOn = Milliseconds(attribute="created_at", required=True)
    expiresOn = Milliseconds(attribute="expires_at")
    revokedOn = Milliseconds(attribute="revoked_at")
    rotating = fields.Boolean(
        attribute="is_rotating", required=True, metadata={"description": "a second secret is valid too"}
    )


class IssuedTokenSchema(TokenSchema):
    """A token with its secret, which no other response shows."""

    token = fields.String(required=True)


class TokensSchema(Schema):
    """Some tokens, and how many there are."""

    tokens = fields.List(fields.Nested(TokenSchema), required=True)
    count = fields.Integer(required=True)


EXAMPLE = {"name": "the mailer", "scopes": ["jobs:add@mail", "jobs:read@mail"], "limits": {"jobsPerS": 1_000}}
"""An example body, for the OpenAPI document."""
_schema = NewTokenSchema()
_FORM = Form(frozenset(_schema.fields))
_shown = TokenSchema()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token as requested."""

    name: str
    scopes: list[Scope]
    limits: Limits
    expires_at: datetime | None


def load(raw: bytes) -> NewToken:
    """Read the body. Raises InvalidRequest with all faults, UnparsableBody."""
    asked = objects.owns(objects.read_object(raw, _FORM)[0], objects=("scopes", "limits"))
    loaded = new_job.loaded(_schema, asked)
    limits, expires_on = loaded.get("limits") or {}, loaded.get("expiresOn")
    return NewToken(
        name=loaded["name"],
        scopes=loaded["scopes"],
        limits=Limits(
            requests_per_s=limits.get("requestsPerS"),
            jobs_per_s=limits.get("jobsPerS"),
            waiting_jobs=limits.get("waitingJobs"),
            streams=limits.get("streams"),
        ),
        expires_at=None if expires_on is None else datetime.fromtimestamp(expires_on / 1000, UTC),
    )


def dump(token: Token) -> dict[str, Any]:
    """Return the JSON of a token."""
    members: dict[str, Any] = _shown.dump(
        {
            "id": token.id,
            "name": token.name,
            "scopes": [str(scope) for scope in token.scopes],
            "limits": domain.limits_json(token.limits),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
            "is_rotating": token.is_rotating,
        }
    )
    return {name: value for name, value in members.items() if value is not None}


def dump_issued(issued: Issued) -> dict[str, Any]:
    """Return the JSON of a token with its secret."""
    return dump(issued.token) | {"token": issued.secret}
