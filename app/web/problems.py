"""Errors as HTTP responses: the table of their statuses, and the one format of their bodies."""

import dataclasses
import logging
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.domain import errors
from app.domain.errors import Fault, RowlineError
from app.infra import log
from app.postgres.database import DatabaseError, OutcomeUnknown
from app.web import answers

_log = logging.getLogger(__name__)

STATUSES: dict[type[RowlineError | DatabaseError], int] = {
    errors.InvalidRequest: 400,
    errors.UnparsableBody: 400,
    errors.UnsupportedBody: 415,
    errors.TooLarge: 413,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.OverQuota: 429,
    errors.EventsOff: 404,
    errors.TokenNotFound: 404,
    errors.TokenEnded: 409,
    errors.NotRotating: 409,
    errors.TooManyTokens: 409,
    errors.JobNotFound: 404,
    errors.WorkerNotFound: 404,
    errors.JobFinished: 409,
    errors.JobActive: 409,
    errors.JobNotFinished: 409,
    errors.JobNotDelayed: 409,
    errors.TooManyEndpoints: 409,
    errors.NotHeld: 404,
    errors.ScheduleNotFound: 404,
    errors.PlanNotFound: 404,
    errors.PlanDiffers: 409,
    errors.WrongPlanStatus: 409,
    errors.TooManyPlans: 409,
    errors.QueueNotEmpty: 409,
    errors.QueueHasActiveJobs: 409,
    errors.OlderNodesRun: 409,
    errors.LeaseLost: 409,
    errors.KeyInUse: 409,
    errors.KeyReused: 422,
    errors.SlowBody: 408,
    errors.NoRoom: 503,
    DatabaseError: 503,
    OutcomeUnknown: 503,
}
HTTP_CODES = (
    ("not_found", 404, "There is no such path."),
    ("method_not_allowed", 405, "The path does not support the method; `Allow` lists those that it does."),
    ("not_ready", 503, "`/health/ready` only: `faults` lists what keeps this node from serving."),
    ("internal_error", 500, "A bug in Rowline. The log has the traceback, with the request's id."),
)
"""The codes that belong to no exception class, with their descriptions for the docs."""
_TROUBLE: dict[type[Exception], str] = {
    DatabaseError: "The database is not available; nothing was stored",
    OutcomeUnknown: "The answer of the database was lost; whether this was stored is unknown",
}
"""What clients read about database errors. PostgreSQL's own messages name hosts and paths: they go to the log only."""
DETAILS_MAX = 100
TERSE = "jobs.get"
"""The Flask endpoint whose 400s all say "Invalid request", as the API reference requires; `details` has the cause."""
ASKED_SHOWN = 200  # characters of a request line that an error repeats
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error response: a status of 400 or above."""

    status: int
    code: str
    error: str
    details: tuple[Fault, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    outcome: str | None = None

    def answer(self) -> Response:
        """Make the response."""
        members: dict[str, Any] = {"error": self.error, "code": self.code, "requestId": log.request_id.get()}
        if self.details:
            members["details"] = [
                {"path": fault.path, "message": fault.message} for fault in self.details[:DETAILS_MAX]
            ]
        if self.outcome:
            members["outcome"] = self.outcome
        return answers.json(members, status=self.status, headers=self.headers)


def of(error: RowlineError | DatabaseError) -> Problem:
    """Return the error response for one of Rowline's exceptions."""
    status = STATUSES[type(error)]
    headers = {}
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, DatabaseError | errors.KeyInUse | errors.NoRoom):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, errors.OverQuota):
        headers["Retry-After"] = str(max(RETRY_AFTER_S, math.ceil(error.retry_after_s)))
    return Problem(
        status=status,
        code=error.code,
        error=_TROUBLE.get(type(error), str(error)),
        details=error.faults if isinstance(error, errors.InvalidRequest) else (),
        headers=headers,
        outcome="unknown" if isinstance(error, OutcomeUnknown) else None,
    )


def register(flask: Flask) -> None:
    """Register the error handlers of `flask`, for every exception."""
    flask.register_error_handler(RowlineError, _refusal)
    flask.register_error_handler(DatabaseError, _database_trouble)
    flask.register_error_handler(HTTPException, _http_trouble)
    flask.register_error_handler(Exception, _our_fault)


def _refusal(error: RowlineError) -> Response:
    problem = of(error)
    if problem.status == HTTPStatus.BAD_REQUEST and request.endpoint == TERSE:
        problem = dataclasses.replace(problem, error="Invalid request")
    return problem.answer()


def _database_trouble(error: DatabaseError) -> Response:
    _log.warning("database_trouble", extra={"cause": str(error)})
    return of(error).answer()


def _http_trouble(error: HTTPException) -> Response:
    name = (error.name or "error").lower()
    headers, hint = {}, ""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
        hint = f": use {' or '.join(sorted({*error.valid_methods} - {'HEAD', 'OPTIONS'}))}"
    asked = f"{request.method} {request.environ.get('RAW_URI', request.path).split('?', 1)[0]}"
    return Problem(
        status=error.code or 500,
        code=name.replace(" ", "_"),
        error=f"{name.capitalize()}: {asked[:ASKED_SHOWN]}{hint}",
        headers=headers,
    ).answer()


def _our_fault(error: Exception) -> Response:
    _log.error("unexpected_error", exc_info=error)
    return Problem(status=500, code="internal_error", error="Internal error").answer()
