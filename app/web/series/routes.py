"""Series: what happened in a queue over time, for charts."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest
from app.domain.tokens import Action
from app.postgres.database import Database, DatabaseError
from app.queries import series as queries
from app.web import answers, describe, names
from app.web.series import schemas
from app.wire import series as wire


def blueprint(db: Database) -> Blueprint:
    """Return the route of series."""
    routes = Blueprint("series", __name__)

    @routes.get("/queues/<segment:queue>/series")
    @describe.route(
        action=Action.READ,
        query=schemas.SeriesQuerySchema,
        gives=wire.SeriesSchema(),
        raises=(InvalidRequest, DatabaseError),
        example={"answer": schemas.EXAMPLE},
    )
    def get_series(queue: str) -> Response:
        """Get what happened in a queue in each minute, hour or day, and how long jobs waited and ran."""
        asked = schemas.load(request)
        queue = names.queue_name(queue)
        found = queries.of_queue(db, queue=queue, from_ms=asked.from_ms, to_ms=asked.to_ms, step=asked.step)
        return answers.json(wire.dump(found, has_buckets=asked.has_buckets))

    return routes
