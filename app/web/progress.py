"""Progress and log lines of a running attempt. These routes take the attempt's own token, not an API token."""

from flask import Blueprint, Response, current_app, request

from app.domain.attempts import LOG_LINE_MAX
from app.domain.errors import Fault, InvalidRequest, TooLarge
from app.infra import callers
from app.infra.settings import Settings
from app.operations import progress as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import leases
from app.web import auth, body, clients, describe, names
from app.web.worker import TOKENS
from app.wire import objects
from app.wire.demands import Form
from app.wire.jsonreader import NULL

PROGRESS = {"anyOf": [{"type": "number"}, {"type": "object"}]}
LINE = {
    "anyOf": [
        {"type": "string", "maxLength": LOG_LINE_MAX, "pattern": r"^[^\x00]*$"},
        {
            "type": "object",
            "properties": {"log": {"type": "string", "maxLength": LOG_LINE_MAX, "pattern": r"^[^\x00]*$"}},
            "required": ["log"],
            "additionalProperties": False,
        },
    ]
}
LINE_BYTES_MAX = 6 * LOG_LINE_MAX + 1024  # each character escaped
_RAISES = (InvalidRequest, *body.ERRORS, DatabaseError, OutcomeUnknown)


def blueprint(settings: Settings, db: Database) -> Blueprint:
    """Make the routes that a worker sends progress and log lines to."""
    routes = Blueprint("progress", __name__)

    holders = leases.Holders(db, wait_ms=settings.pool_wait_ms)

    def authorized_body(queue: str, job_id: str, token: str, *, limit: int) -> bytes:
        """Read the body after the token is verified: of unauthenticated clients nothing is read."""
        holders.require(queue=queue, job_id=job_id, token=token)
        callers.current.set(f"attempts of {queue}")
        clients.vouch(request.environ)
        current_app.extensions[TOKENS].remember(request.environ["HTTP_AUTHORIZATION"])
        return body.read(request, limit=limit, client_s=settings.client_s)

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/progress")
    @describe.route(body=PROGRESS, gives="text/plain", raises=_RAISES, by_attempt=True, example={"body": 50})
    def progress(queue: str, job_id: str) -> Response:
        """Set the progress of a running attempt."""
        token = auth.attempt_token(request)
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        value = objects.read_value(authorized_body(queue, job_id, token, limit=settings.max_data_bytes))
        if value[0] not in "-0123456789{":
            raise InvalidRequest(Fault("body", "must be a number or an object"))
        operations.set_progress(db, queue=queue, job_id=job_id, token=token, progress=value)
        return _ok()

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/logs")
    @describe.route(body=LINE, gives="text/plain", raises=_RAISES, by_attempt=True, example={"body": "half way"})
    def log(queue: str, job_id: str) -> Response:
        """Append a line to the log of a job."""
        token = auth.attempt_token(request)
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        line = _line(authorized_body(queue, job_id, token, limit=LINE_BYTES_MAX))
        operations.append_log(db, queue=queue, job_id=job_id, token=token, line=line)
        return _ok()

    return routes


def _line(raw: bytes) -> str:
    if raw.lstrip(b" \t\r\n").startswith(b"{"):
        members, _ = objects.read_object(raw, Form(frozenset({"log"})))
        value = members["log"] if set(members) == {"log"} else NULL
    else:
        value = objects.read_value(raw)
    if not value.startswith('"'):
        raise InvalidRequest(Fault("body", "must be a string, or an object whose only member is log, a string"))
    line = objects.string(value)
    if len(line) > LOG_LINE_MAX:
        raise TooLarge(Fault("body", f"must be at most {LOG_LINE_MAX} characters"))
    return line


def _ok() -> Response:
    return Response("OK", mimetype="text/plain", headers={"Cache-Control": "no-store"})
