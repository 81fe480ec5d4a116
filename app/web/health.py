"""Liveness and readiness of this node, for load balancers; no token is needed."""

from flask import Blueprint, Response

from app.infra import log
from app.postgres.database import Database
from app.queries import health
from app.web import answers, describe
from app.web.problem import HealthSchema


def blueprint(db: Database) -> Blueprint:
    """Make the routes below /health."""
    routes = Blueprint("health", __name__)
    watch = health.Watch(db)

    @routes.get("/health/live")
    @describe.route(gives=HealthSchema())
    def live() -> Response:
        """Check liveness: the process answers."""
        return answers.json({"status": "live"})

    @routes.get("/health/ready")
    @describe.route(gives=HealthSchema(), statuses=(503,))
    def ready() -> Response:
        """Check readiness: the database is reachable, migrated and durable; 503 with the faults if not."""
        if faults := list(watch.faults()):
            problem = {"error": faults[0], "code": "not_ready", "requestId": log.request_id.get()}
            return answers.json(
                problem | {"status": "not ready", "faults": faults}, status=503, headers={"Retry-After": "1"}
            )
        return answers.json({"status": "ready"})

    return routes
