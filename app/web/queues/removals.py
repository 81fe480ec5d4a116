"""Removing many jobs of a queue: drain, clean, obliterate."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, OlderNodesRun, QueueHasActiveJobs
from app.domain.tokens import Action
from app.infra.settings import Settings
from app.operations import removal as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.web import answers, body, describe, names
from app.web.auth import Tokens
from app.web.queues import removal_schemas as schemas

_ANY = (InvalidRequest, *body.ERRORS, DatabaseError, OutcomeUnknown)


def add_routes(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    """Add the routes."""
    _add_removals(routes, settings, db, access)
    _add_obliterate(routes, settings, db, access)


def _add_removals(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    def done(queue: str, asked: schemas.Asked) -> Response:
        removed = operations.remove(
            db, actor=access.actor(request), queue=queue, asked=asked.removal, begin=asked.begin
        )
        return answers.json(schemas.dump(queue, asked.removal, removed))

    @routes.post("/queues/<segment:queue>/drain")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.DrainSchema,
        body_required=False,
        gives=schemas.RemovedSchema(),
        raises=_ANY,
        example={"body": schemas.DRAIN_EXAMPLE, "answer": schemas.ANSWER_EXAMPLE},
    )
    def drain(queue: str) -> Response:
        """Remove the waiting and prioritized jobs of a queue, and the delayed ones if asked; never active ones."""
        queue = names.queue_name(queue)
        return done(queue, schemas.load_drain(body.read_short(request, settings), queue))

    @routes.post("/queues/<segment:queue>/clean")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.CleanSchema,
        gives=schemas.RemovedSchema(),
        raises=_ANY,
        example={"body": schemas.CLEAN_EXAMPLE, "answer": schemas.ANSWER_EXAMPLE},
    )
    def clean(queue: str) -> Response:
        """Remove the jobs of a queue in one status that ended, or were added, long enough ago."""
        queue = names.queue_name(queue)
        return done(queue, schemas.load_clean(body.read_short(request, settings), queue))


def _add_obliterate(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    @routes.post("/queues/<segment:queue>/obliterate")
    @describe.route(
        action=Action.QUEUES,
        body=schemas.ObliterateSchema,
        body_required=False,
        gives=schemas.RemovedSchema(),
        raises=(*_ANY, QueueHasActiveJobs, OlderNodesRun),
        example={"body": schemas.OBLITERATE_EXAMPLE, "answer": schemas.ANSWER_EXAMPLE},
    )
    def obliterate(queue: str) -> Response:
        """Pause a queue, remove its jobs, then its settings; active jobs only if forced. There is no undo."""
        queue = names.queue_name(queue)
        asked = schemas.load_obliterate(body.read_short(request, settings), queue)
        removed = operations.obliterate(
            db, actor=access.actor(request), queue=queue, asked=asked.removal, begin=asked.begin
        )
        return answers.json(schemas.dump(queue, asked.removal, removed))
