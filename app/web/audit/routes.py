"""The audit: who did what, beside adding and working jobs."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest
from app.domain.tokens import Action
from app.postgres.database import Database, DatabaseError
from app.queries import audit
from app.web import answers, describe
from app.web.audit import schemas


def blueprint(db: Database) -> Blueprint:
    """Return the route of the audit."""
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    @describe.route(
        action=Action.AUDIT,
        query=schemas.AuditQuerySchema,
        gives=schemas.AuditSchema(),
        raises=(InvalidRequest, DatabaseError),
    )
    def list_acts() -> Response:
        """List acts, the newest first."""
        wanted, length = schemas.load(request)
        return answers.json(schemas.dump(audit.entries(db, wanted=wanted, length=length), length=length))

    return routes
