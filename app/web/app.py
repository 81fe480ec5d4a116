"""The Flask application, composed of its blueprints and hooks."""

import functools
from http import HTTPStatus

from flask import Blueprint, Flask, Response

from app.domain.workers import PullingWorkers
from app.infra import callers
from app.infra.metrics import ProcessMetrics
from app.infra.room import SMALL, Room
from app.infra.settings import Settings
from app.infra.vault import Vault
from app.operations.eventstreams import EventStreams
from app.operations.jobends import JobEnds
from app.operations.longpoll import Waiting
from app.postgres.database import Database
from app.web import (
    answers,
    clients,
    describe,
    docs,
    health,
    holding,
    hooks,
    names,
    openapi,
    problems,
    progress,
)
from app.web.audit import routes as audit
from app.web.auth import CALLER, Tokens, current_request
from app.web.dashboard import frame as dashboard
from app.web.doctor import routes as doctor
from app.web.endpoints import routes as endpoints
from app.web.events import routes as events
from app.web.explain import routes as explain
from app.web.framework import Application
from app.web.history import routes as history
from app.web.holding import HELD
from app.web.jobs import routes as jobs
from app.web.leases import routes as leases
from app.web.metrics import routes as metrics
from app.web.plans import routes as plans
from app.web.queues import routes as queues
from app.web.quotas import PLACES, Places, Quotas
from app.web.running import routes as running
from app.web.schedules import routes as schedules
from app.web.series import routes as series
from app.web.settings import routes as service_settings
from app.web.tokens import routes as tokens
from app.web.worker import ENDS, PULLING, STREAMS, TOKENS, WAITING

OPEN = {"health", "docs"}  # the blueprints that need no token
BY_ATTEMPT = {"progress"}  # those that need the token of an attempt, which they check themselves, but not for OPTIONS
TOKENLESS = OPEN | BY_ATTEMPT
METRICS = "rowline-metrics"
"""The key of what this process counts among the application's extensions."""
DASHBOARD = "rowline-dashboard"
"""That of the application of the dashboard."""


def create(
    settings: Settings, db: Database, process: ProcessMetrics | None = None, *, account: str | None = None
) -> Flask:
    """Make the application, which counts its requests in `process`. Raises SettingsError if no API token is set.

    `account`: who acts by the tokens of the settings, for an application that is not served, but asked in this process.
    """
    settings.require_tokens()
    flask = Application("rowline", static_folder=None)
    flask.url_map.converters["segment"] = names.Segment
    flask.url_map.merge_slashes = False
    flask.url_map.strict_slashes = True
    access = flask.extensions[TOKENS] = Tokens(settings, db, account=account)
    flask.extensions[PLACES] = Places(settings.api_clients)
    room, quotas, actions = holding.room(settings), Quotas(), describe.Actions()
    process = flask.extensions[METRICS] = process or ProcessMetrics()
    pages = flask.extensions[DASHBOARD] = dashboard.create(settings, db, access, process, api=flask.wsgi_app, room=room)
    flask.wsgi_app = names.RawPath(dashboard.Beside(flask.wsgi_app, pages))  # type: ignore[method-assign]
    _check_requests(flask, access, quotas, actions)
    _finish_responses(flask, settings, access, process, room=room)
    for blueprint in _blueprints(flask, settings, db, room, quotas):
        flask.register_blueprint(blueprint)
    problems.register(flask)
    actions.update(describe.actions(flask, besides=TOKENLESS))
    flask.extensions[docs.DOCUMENT] = functools.cache(
        lambda: answers.dump(openapi.document(flask, open_blueprints=OPEN))
    )
    return flask


def _check_requests(flask: Flask, access: Tokens, quotas: Quotas, actions: describe.Actions) -> None:
    def begin() -> None:
        """Require an API token that may do what the route does, for every route but those of TOKENLESS.

        An unknown path is a 404 without a token too.
        """
        asked = current_request()
        hooks.begin(asked)
        if asked.url_rule is None:
            callers.current.set("")
            if access.knows(asked.environ):  # a known client with a wrong path: its body is read to the end
                clients.vouch(asked.environ)
            clients.step_aside(asked.environ)
        elif asked.blueprint not in TOKENLESS or (asked.blueprint in BY_ATTEMPT and asked.method == "OPTIONS"):
            caller = asked.environ[CALLER] = access.check(asked.environ)
            callers.current.set(caller.id)
            clients.vouch(asked.environ)
            quotas.take_request(caller)
            if not caller.is_full and asked.method != "OPTIONS":
                segment = (asked.view_args or {}).get("queue")
                queue = None if segment is None else names.queue_name(segment)
                access.require(asked, actions[asked.endpoint], queue)
        else:
            callers.current.set("")
            clients.step_aside(asked.environ)

    flask.before_request(begin)


def _finish_responses(flask: Flask, settings: Settings, access: Tokens, process: ProcessMetrics, *, room: Room) -> None:
    def end(response: Response) -> Response:
        asked = current_request()
        if response.status_code == HTTPStatus.FORBIDDEN and CALLER in asked.environ:
            access.note_refusal(asked)
        length = answers.length(response)
        if (length > SMALL or HELD in asked.environ) and asked.blueprint not in OPEN:  # shared bytes
            response, length = holding.settle(asked, response, length, room)
        clients.bound_answer(asked, length, client_s=settings.client_s)
        return hooks.end(asked, response, process)

    flask.after_request(end)


def _blueprints(flask: Flask, settings: Settings, db: Database, room: Room, quotas: Quotas) -> tuple[Blueprint, ...]:
    """Return the routes, by noun."""
    access = flask.extensions[TOKENS]
    waiting = flask.extensions[WAITING] = Waiting(db, poll_ms=settings.poll_ms, wait_ms=settings.pool_wait_ms)
    ends = flask.extensions[ENDS] = JobEnds(db)
    process: ProcessMetrics = flask.extensions[METRICS]
    streams = flask.extensions[STREAMS] = EventStreams(
        db, on_count=process.note_streams, on_lag=process.note_lagged_stream
    )
    pulling = flask.extensions[PULLING] = PullingWorkers()
    vault = Vault(settings)
    return (
        jobs.blueprint(settings, db, room, access, quotas, ends=ends),
        leases.blueprint(settings, db, waiting, room, access, pulling=pulling),
        progress.blueprint(settings, db),
        history.blueprint(db, room),
        explain.blueprint(db),
        queues.blueprint(settings, db, access),
        events.blueprint(db, access, streams),
        plans.blueprint(settings, db, access),
        running.blueprint(db, access),
        schedules.blueprint(settings, db, room, access, quotas),
        series.blueprint(db),
        service_settings.blueprint(settings, db, access),
        endpoints.blueprint(settings, db, vault, access),
        tokens.blueprint(settings, db, access),
        audit.blueprint(db),
        doctor.blueprint(db, vault),
        metrics.blueprint(db, process),
        health.blueprint(db),
        docs.blueprint(),
    )
