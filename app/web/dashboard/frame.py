"""The dashboard as an application of its own below /dashboard: its hooks, its errors, its blueprints.

To add a page: a module with `blueprint()`, named in `_pages`, and a line in `navigation.PAGES` if it is in the menu.
Its views call `api.of()` and return `page.render(…)`; app/docs/dashboard.md says more.
"""

import dataclasses
import functools
import logging
from typing import Any

from flask import Blueprint, Flask, Response
from jinja2 import Environment
from werkzeug.exceptions import HTTPException

from app.domain.errors import Fault, InvalidRequest, NoRoom, RowlineError
from app.infra import callers
from app.infra.metrics import ProcessMetrics
from app.infra.room import Reservation, Room
from app.infra.settings import Settings
from app.postgres.database import Database, DatabaseError
from app.web import answers, clients, hooks, names, problems
from app.web.auth import Tokens, current_request
from app.web.dashboard import (
    actors,
    api,
    audit,
    charts,
    doctor,
    failures,
    filters,
    forms,
    jobs,
    live,
    page,
    plans,
    preferences,
    queue,
    queues,
    running,
    schedules,
    search,
    settingspage,
    shown,
    signing,
    static,
    tokens,
    workers,
)
from app.web.dashboard.api import Refused
from app.web.dashboard.pace import Pace
from app.web.dashboard.sessions import VISITOR, Sessions
from app.web.framework import Application

_log = logging.getLogger(__name__)
ROOT = "/dashboard"
OPEN = {"static", "signing", "preferences"}
"""The blueprints whose pages need no session."""
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would not say where a form comes from
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PARAMETERS_MAX = 50
"""A longer query is read only for who is signed in: to take one of 4 KiB apart costs more than the rest of a page."""
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Beside:
    """WSGI: what is below /dashboard is the dashboard's, all else the API's."""

    def __init__(self, api: Any, pages: Any) -> None:
        """Choose between both."""
        self._api, self._pages = api, pages

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Pass a request on, by its path."""
        path = environ["PATH_INFO"]
        is_ours = path == ROOT or path.startswith(f"{ROOT}/")
        return (self._pages if is_ours else self._api)(environ, start_response)


class Macros:
    """Those of `ui.html`, compiled for the first page shown: it takes 50 ms of CPU, and few processes show any."""

    def __init__(self, environment: Environment) -> None:
        """Compile nothing yet."""
        self._environment = environment

    def __getattr__(self, name: str) -> Any:
        """Return the macro `name`."""
        return getattr(self._module, name)

    @functools.cached_property
    def _module(self) -> Any:
        return self._environment.get_template("ui.html").module


def create(settings: Settings, db: Database, access: Tokens, process: ProcessMetrics, *, api: Any, room: Room) -> Flask:
    """Make the application of the dashboard, which calls the WSGI application `api` for its visitors.

    Its long pages, such as those that repeat a long form, share `room` with the responses of the API.
    """
    pages = Application("app.web.dashboard", static_folder=None)
    pages.url_map.converters["segment"] = names.Segment
    pages.url_map.merge_slashes = False
    sessions, pace = Sessions(settings, db, access), Pace()
    _check_requests(pages, settings, sessions, application=api)
    _finish_responses(pages, settings, process, pace=pace, room=room)
    _register_errors(pages)
    for blueprint in _pages(settings, sessions, pace):
        pages.register_blueprint(blueprint, url_prefix=ROOT)
    pages.jinja_env.undefined = shown.Absent
    pages.jinja_env.trim_blocks = pages.jinja_env.lstrip_blocks = True
    pages.jinja_env.filters |= shown.FILTERS | {"who": actors.in_words, "told": actors.told}
    pages.jinja_env.globals |= {
        "files": static.urls(),
        "statuses": shown.STATUSES,
        "labels": filters.LABELS,
    }
    pages.jinja_env.globals["ui"] = Macros(pages.jinja_env)
    return pages


def _pages(settings: Settings, sessions: Sessions, pace: Pace) -> tuple[Blueprint, ...]:
    """Return the pages, by noun."""
    return (
        static.blueprint(),
        signing.blueprint(settings, sessions),
        preferences.blueprint(settings),
        queues.blueprint(),
        queue.blueprint(settings),
        settingspage.blueprint(),
        jobs.blueprint(settings),
        plans.blueprint(settings),
        charts.blueprint(),
        schedules.blueprint(),
        workers.blueprint(settings),
        tokens.blueprint(settings),
        audit.blueprint(),
        doctor.blueprint(),
        failures.blueprint(),
        search.blueprint(),
        running.blueprint(),
        live.blueprint(sessions, pace),
    )


def _check_requests(pages: Flask, settings: Settings, sessions: Sessions, *, application: Any) -> None:
    def begin() -> Response | None:
        """Find whose session it is; refuse forms of other sites; lead those without a session to the sign-in."""
        asked = current_request()
        query, is_static = asked.query_string, asked.blueprint == "static"
        if query.count(b"&") >= PARAMETERS_MAX:
            asked.query_string = b""  # until it is known whose it is, whatever is answered
        hooks.begin(asked)
        visitor = None
        if not is_static:
            visitor = asked.environ[VISITOR] = sessions.visitor(asked)
            (clients.vouch if visitor else clients.disown)(asked.environ)
            callers.current.set(visitor.caller.id if visitor else "")
        if visitor:
            asked.query_string = query
        elif asked.query_string != query:
            raise InvalidRequest(Fault("query", f"must have at most {PARAMETERS_MAX} parameters"))
        if is_static:
            return None
        if asked.method not in _SAFE:
            forms.require_own(asked, visitor, settings)
        if visitor is None:
            is_open = asked.url_rule is None or asked.blueprint in OPEN
            return None if is_open else signing.to_sign_in(asked)
        asked.environ[api.KEY] = api.Api(application, asked.environ, visitor)
        return None

    pages.before_request(begin)


def _finish_responses(pages: Flask, settings: Settings, process: ProcessMetrics, *, pace: Pace, room: Room) -> None:
    def end(response: Response) -> Response:
        asked = current_request()
        response = _held(response, room)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if page.FRAGMENT in asked.args:
            pace.note(hooks.spent_s(asked))
        clients.bound_answer(asked, answers.length(response), client_s=settings.client_s)
        return hooks.end(asked, response, process)

    pages.after_request(end)


def _held(response: Response, room: Room) -> Response:
    """Reserve the memory of a long page until it is sent; return the page of an error if that is used up.

    No page that tells of something done is long.
    """
    length, held = answers.length(response), Reservation(room)
    if not held.take_long(length, is_patient=False):  # the page is in memory already
        return _trouble(NoRoom())
    response.call_on_close(lambda: held.become(0))
    return response


def _trouble(error: RowlineError | DatabaseError) -> Response:
    """Make the page of an error that the API would answer with."""
    found = problems.of(error)
    members = {
        "error": found.error,
        "code": found.code,
        "details": [dataclasses.asdict(one) for one in found.details],
    }
    return page.trouble(found.status, members, found.headers)


def _register_errors(pages: Flask) -> None:
    def refused(error: Refused) -> Response:
        return page.trouble(error.status, error.problem, error.headers)

    def known(error: RowlineError | DatabaseError) -> Response:
        if isinstance(error, DatabaseError):
            _log.warning("database_trouble", extra={"cause": str(error)})
        return _trouble(error)

    def http(error: HTTPException) -> Response:
        name = (error.name or "error").lower()
        return page.trouble(error.code or 500, {"error": f"{name.capitalize()}.", "code": name.replace(" ", "_")}, {})

    def fault(error: Exception) -> Response:
        _log.error("unexpected_error", exc_info=error)
        return page.trouble(500, {"error": "Internal error", "code": "internal_error"}, {})

    pages.register_error_handler(Refused, refused)
    pages.register_error_handler(RowlineError, known)
    pages.register_error_handler(DatabaseError, known)
    pages.register_error_handler(HTTPException, http)
    pages.register_error_handler(Exception, fault)
