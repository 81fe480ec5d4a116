"""Explain a job and a queue; scale the workers of a queue."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, JobNotFound
from app.domain.tokens import Action
from app.postgres.database import Database, DatabaseError
from app.queries import explain as queries
from app.web import answers, auth, describe, names
from app.web.explain import schemas
from app.wire import explain as wire


def blueprint(db: Database) -> Blueprint:
    """Return the routes that explain."""
    routes = Blueprint("explain", __name__)

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/explain")
    @describe.route(
        action=Action.READ,
        gives=wire.ExplanationSchema(),
        raises=(InvalidRequest, JobNotFound, DatabaseError),
        example={"answer": schemas.EXAMPLE},
    )
    def explain_job(queue: str, job_id: str) -> Response:
        """Explain why a job does not run, or that it does, or did."""
        queue = names.queue_name(queue)
        found = queries.job(db, queue=queue, job_id=names.job_id(job_id))
        return answers.json(wire.dump(found, sees_payload=auth.may_see(request, queue)))

    @routes.get("/queues/<segment:queue>/explain")
    @describe.route(action=Action.READ, gives=wire.ExplanationSchema(), raises=(InvalidRequest, DatabaseError))
    def explain_queue(queue: str) -> Response:
        """Explain why the jobs of a queue do not run, or that they do."""
        queue = names.queue_name(queue)
        found = queries.queue(db, queue=queue)
        return answers.json(wire.dump(found, sees_payload=auth.may_see(request, queue)))

    _add_scaling(routes, db)
    return routes


def _add_scaling(routes: Blueprint, db: Database) -> None:
    @routes.get("/queues/<segment:queue>/scaling")
    @describe.route(
        action=Action.READ,
        query=schemas.ScalingQuerySchema,
        gives=wire.ScalingSchema(),
        raises=(InvalidRequest, DatabaseError),
        example={"answer": schemas.SCALING_EXAMPLE},
    )
    def scale(queue: str) -> Response:
        """Get how many workers a queue needs, for what scales them."""
        target_s, per_worker = schemas.load(request)
        found = queries.scale(db, queue=names.queue_name(queue), target_s=target_s, per_worker=per_worker)
        return answers.json(wire.dump_scaling(found))
