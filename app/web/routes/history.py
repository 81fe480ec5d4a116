"""What a job has been through: its attempts, and what they logged."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, JobNotFound
from app.infra.database import Database, DatabaseError
from app.queries import history
from app.web import answers, describe, names
from app.web.schemas import page
from app.web.schemas.history import AttemptSchema, AttemptsSchema, LogsSchema

_RAISES = (InvalidRequest, JobNotFound, DatabaseError)


def blueprint(db: Database) -> Blueprint:
    """Make the routes below a job that tell its past."""
    routes = Blueprint("history", __name__)
    attempt_json = AttemptSchema()

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/attempts")
    @describe.route(query=page.PartQuerySchema, gives=AttemptsSchema(), raises=_RAISES)
    def attempts(queue: str, job_id: str) -> Response:
        """Get the attempts of a job, the first one first."""
        start, length = page.load_part(request)
        found = history.attempts(
            db, queue=names.queue_name(queue), job_id=names.job_id(job_id), start=start, length=length
        )
        return answers.json({"attempts": attempt_json.dump(found.entries, many=True), "count": found.count})

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/logs")
    @describe.route(query=page.PartQuerySchema, gives=LogsSchema(), raises=_RAISES)
    def logs(queue: str, job_id: str) -> Response:
        """Get what a job logged, the first line first."""
        start, length = page.load_part(request)
        found = history.logs(db, queue=names.queue_name(queue), job_id=names.job_id(job_id), start=start, length=length)
        return answers.json({"logs": found.entries, "count": found.count})

    return routes
