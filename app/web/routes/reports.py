"""What a worker reports of an attempt that runs. The attempt's own token opens these routes, and no API token does."""

from typing import Any

from flask import Blueprint, Response, request

from app.domain.attempts import LOG_LINE_MAX
from app.domain.errors import Fault, InvalidRequest, TooLarge
from app.infra.database import Database, DatabaseError, OutcomeUnknown
from app.infra.settings import Settings
from app.operations import report
from app.web import auth, body, describe, names
from app.web.body import Member

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
    """Make the routes by which a worker reports."""
    routes = Blueprint("reports", __name__)

    def told(limit: int) -> Member:
        raw = body.read(request, limit=limit, client_s=settings.client_s)
        return body.read_value(body.text(raw))

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/progress")
    @describe.route(body=PROGRESS, gives="text/plain", raises=_RAISES, by_attempt=True, example={"body": 50})
    def progress(queue: str, job_id: str) -> Response:
        """Say how far an attempt is."""
        token = auth.attempt_token(request)
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        said = told(settings.max_data_bytes)
        if isinstance(said.value, bool) or not isinstance(said.value, int | float | dict):
            raise InvalidRequest(Fault("body", "must be a number or an object"))
        report.progress(db, queue=queue, job_id=job_id, token=token, progress=said.text)
        return _ok()

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/logs")
    @describe.route(body=LINE, gives="text/plain", raises=_RAISES, by_attempt=True, example={"body": "half way"})
    def log(queue: str, job_id: str) -> Response:
        """Add a line to a job's log."""
        token = auth.attempt_token(request)
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        report.log(db, queue=queue, job_id=job_id, token=token, line=_line(told(LINE_BYTES_MAX).value))
        return _ok()

    return routes


def _line(said: Any) -> str:
    line = said["log"] if isinstance(said, dict) and set(said) == {"log"} else said
    if not isinstance(line, str):
        raise InvalidRequest(Fault("body", "must be a string, or an object whose only member is log, a string"))
    if len(line) > LOG_LINE_MAX:
        raise TooLarge(Fault("body", f"must be at most {LOG_LINE_MAX} characters"))
    return line


def _ok() -> Response:
    return Response("OK", mimetype="text/plain", headers={"Cache-Control": "no-store"})
