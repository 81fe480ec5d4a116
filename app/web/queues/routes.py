"""Queues: list, get, pause, resume, change settings, forget; `removals.py` has those that remove jobs."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, OlderNodesRun, QueueNotEmpty
from app.domain.tokens import Action, Caller
from app.infra.settings import Settings
from app.operations import queues as operations
from app.operations import settings as settings_operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import queues as queries
from app.queries import workers
from app.web import answers, body, describe, names
from app.web.auth import CALLER, Tokens
from app.web.queues import removals, schemas
from app.wire import queue as wire


def blueprint(settings: Settings, db: Database, access: Tokens) -> Blueprint:
    """Return the routes of queues, but those of their jobs."""
    routes = Blueprint("queues", __name__)
    _add_reads(routes, db)
    _add_pauses(routes, settings, db, access)
    _add_settings(routes, settings, db, access)
    removals.add_routes(routes, settings, db, access)
    return routes


def _add_reads(routes: Blueprint, db: Database) -> None:
    workers_json = schemas.SeenWorkersSchema()

    @routes.get("/queues")
    @describe.route(
        action=Action.READ,
        query=schemas.QueuesQuerySchema,
        gives=schemas.QueuesSchema(),
        raises=(InvalidRequest, DatabaseError),
    )
    def list_queues() -> Response:
        """List the queues that have jobs or set something, by name; those that the token may read."""
        asked = schemas.load_query(request.query_string)
        caller: Caller = request.environ[CALLER]
        count, found = queries.page(db, allowed=caller.patterns(Action.READ), **asked._asdict())
        members = {"queues": [wire.dump(queue) for queue in found], "count": count}
        return answers.json(members | {"start": asked.start, "length": asked.length})

    @routes.get("/queues/<segment:queue>")
    @describe.route(action=Action.READ, gives=wire.QueueSchema(), raises=(InvalidRequest, DatabaseError))
    def get_queue(queue: str) -> Response:
        """Get a queue; one that has nothing yet has zeros."""
        return answers.json(wire.dump(queries.find(db, queue=names.queue_name(queue))))

    @routes.get("/queues/<segment:queue>/workers")
    @describe.route(
        action=Action.READ,
        gives=workers_json,
        raises=(InvalidRequest, DatabaseError),
        example={"answer": schemas.WORKERS_EXAMPLE},
    )
    def list_workers(queue: str) -> Response:
        """List the workers of a queue that were seen within a minute, all ways of working, by name."""
        count, found = workers.seen(db, queue=names.queue_name(queue))
        return answers.json(workers_json.dump({"workers": found, "count": count}))


def _add_pauses(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    @routes.post("/queues/<segment:queue>/pause")
    @describe.route(
        action=Action.QUEUES,
        body=schemas.PauseSchema,
        body_required=False,
        gives=schemas.PausedQueueSchema(),
        raises=(InvalidRequest, *body.ERRORS, OlderNodesRun, DatabaseError, OutcomeUnknown),
        example={"body": schemas.EXAMPLE},
    )
    def pause(queue: str) -> Response:
        """Pause a queue: after the response no claim hands out a job of it. Claimed jobs go on."""
        queue = names.queue_name(queue)
        reason = schemas.load_reason(body.read_short(request, settings))
        paused = operations.pause(db, actor=access.actor(request), queue=queue, reason=reason)
        left = {"claimsInFlight": paused.claims_in_flight} if paused.claims_in_flight else {}
        return answers.json(wire.dump(paused.queue) | left)

    @routes.post("/queues/<segment:queue>/resume")
    @describe.route(
        action=Action.QUEUES,
        gives=wire.QueueSchema(),
        raises=(InvalidRequest, *body.ERRORS, DatabaseError, OutcomeUnknown),
    )
    def resume(queue: str) -> Response:
        """Resume a queue. One that is not paused stays as it is."""
        queue = names.queue_name(queue)
        body.read_short(request, settings)  # read, but ignored
        return answers.json(wire.dump(operations.resume(db, actor=access.actor(request), queue=queue)))


def _add_settings(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    @routes.patch("/queues/<segment:queue>")
    @describe.route(
        action=Action.QUEUES,
        body=schemas.QueueChangeSchema,
        gives=wire.QueueSchema(),
        raises=(InvalidRequest, *body.ERRORS, OlderNodesRun, DatabaseError, OutcomeUnknown),
        example={"body": schemas.CHANGE_EXAMPLE},
    )
    def change_queue(queue: str) -> Response:
        """Change the settings of a queue that are named; null takes one away: then the service's own holds."""
        queue = names.queue_name(queue)
        changes = schemas.load_change(body.read_short(request, settings))
        changed = settings_operations.change_queue(db, actor=access.actor(request), queue=queue, **changes._asdict())
        return answers.json(wire.dump(changed))

    @routes.delete("/queues/<segment:queue>")
    @describe.route(
        action=Action.QUEUES,
        gives=wire.QueueSchema(),
        raises=(InvalidRequest, QueueNotEmpty, DatabaseError, OutcomeUnknown),
    )
    def forget_queue(queue: str) -> Response:
        """Forget a queue that has no jobs: its settings, and a pause."""
        queue = names.queue_name(queue)
        return answers.json(wire.dump(settings_operations.forget_queue(db, actor=access.actor(request), queue=queue)))
