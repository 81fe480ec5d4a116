"""Removing many jobs of a queue: drain, clean, obliterate."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, OlderNodesRun, QueueHasActiveJobs, TooManyPlans
from app.domain.plan import Plan
from app.domain.tokens import Action
from app.infra.settings import Settings
from app.operations import removal as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.web import answers, auth, body, describe, names
from app.web.auth import Tokens
from app.web.plans.schemas import PlanSchema, dump
from app.web.queues import removal_schemas as schemas

_ANY = (InvalidRequest, *body.ERRORS, TooManyPlans, DatabaseError, OutcomeUnknown)


def add_routes(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    """Add the routes."""

    @routes.post("/queues/<segment:queue>/drain")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.DrainSchema,
        body_required=False,
        gives=PlanSchema(),
        raises=_ANY,
        example={"body": schemas.DRAIN_EXAMPLE},
    )
    def drain(queue: str) -> Response:
        """Remove the waiting and prioritized jobs of a queue, and the delayed ones if asked; never active ones."""
        queue = names.queue_name(queue)
        asked = schemas.load_drain(body.read_short(request, settings))
        return _answer(operations.remove(db, actor=access.actor(request), queue=queue, asked=asked))

    @routes.post("/queues/<segment:queue>/clean")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.CleanSchema,
        gives=PlanSchema(),
        raises=_ANY,
        example={"body": schemas.CLEAN_EXAMPLE},
    )
    def clean(queue: str) -> Response:
        """Remove the jobs of a queue in one status that ended, or were added, long enough ago."""
        queue = names.queue_name(queue)
        asked = schemas.load_clean(body.read_short(request, settings))
        return _answer(operations.remove(db, actor=access.actor(request), queue=queue, asked=asked))

    @routes.post("/queues/<segment:queue>/obliterate")
    @describe.route(
        action=Action.QUEUES,
        body=schemas.ObliterateSchema,
        body_required=False,
        gives=PlanSchema(),
        raises=(*_ANY, QueueHasActiveJobs, OlderNodesRun),
        example={"body": schemas.OBLITERATE_EXAMPLE},
    )
    def obliterate(queue: str) -> Response:
        """Pause a queue, remove its jobs, then its settings; active jobs only if forced. There is no undo."""
        queue = names.queue_name(queue)
        asked = schemas.load_obliterate(body.read_short(request, settings))
        return _answer(operations.obliterate(db, actor=access.actor(request), queue=queue, asked=asked))


def _answer(plan: Plan) -> Response:
    return answers.json(dump(plan, sees_payload=auth.may_see(request, plan.queue)))
