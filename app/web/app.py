"""The Flask application, put together."""

import logging
import re
import time
import uuid

from flask import Flask, Response, g, request

from app.domain.errors import Fault, InvalidRequest
from app.infra import log
from app.infra.database import Database
from app.infra.settings import Settings
from app.infra.vault import Vault
from app.operations.waiting import Waiting
from app.web import clients, names, openapi, problems
from app.web.auth import Tokens
from app.web.routes import docs, health, history, jobs, reports, work, workers
from app.web.worker import WAITING

_log = logging.getLogger("app.requests")
OPEN = {"health", "docs"}  # the blueprints that need no token
BY_ATTEMPT = {"reports"}  # those that need an attempt's, which they ask for themselves
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def create(settings: Settings, db: Database) -> Flask:
    """Make the application. Raises SettingsError when there is no token to let anybody in with."""
    settings.require_tokens()
    flask = Flask("rowline", static_folder=None)
    flask.url_map.converters["segment"] = names.Segment
    flask.url_map.merge_slashes = False
    flask.url_map.strict_slashes = True
    flask.wsgi_app = names.RawPath(flask.wsgi_app)  # type: ignore[method-assign]
    tokens = Tokens(settings.tokens)

    def authorize() -> None:
        """Ask every route for a token but those of OPEN; a path that is no route is a 404 for everybody."""
        if request.url_rule is not None and request.blueprint not in OPEN | BY_ATTEMPT:
            g.token_digest = tokens.check(request)

    def bound(response: Response) -> Response:
        clients.bound_answer(request, response, client_s=settings.client_s)
        return response

    flask.before_request(_begin)
    flask.before_request(authorize)
    flask.after_request(_end)
    flask.after_request(bound)
    flask.register_blueprint(jobs.blueprint(settings, db))
    waiting = flask.extensions[WAITING] = Waiting(db, poll_ms=settings.poll_ms, turn_ms=settings.pool_wait_ms)
    flask.register_blueprint(work.blueprint(settings, db, waiting))
    flask.register_blueprint(reports.blueprint(settings, db))
    flask.register_blueprint(history.blueprint(db))
    flask.register_blueprint(workers.blueprint(settings, db, Vault(settings)))
    flask.register_blueprint(health.blueprint(db))
    flask.register_blueprint(docs.blueprint())
    problems.register(flask)
    flask.extensions[docs.DOCUMENT] = openapi.document(flask, open_blueprints=OPEN)
    return flask


def _begin() -> None:
    g.started = time.perf_counter()
    sent = request.headers.get("X-Request-Id", "")
    log.request_id.set(sent if _SANE_REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex)
    if "HTTP_HOST" not in request.environ and request.environ["SERVER_PROTOCOL"] != "HTTP/1.0":
        raise InvalidRequest(Fault("Host", "is required by HTTP/1.1"))


def _end(response: Response) -> Response:
    request_id = log.request_id.get()
    assert request_id is not None
    response.headers["X-Request-Id"] = request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")  # what Flask answers by itself, such as OPTIONS
    _log.info(
        "request",
        extra={
            "method": request.method,
            "path": request.environ["PATH_INFO"][:500],  # no query and no origin: tokens may stand there
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.started) * 1000, 3),
        },
    )
    log.request_id.set(None)
    return response
