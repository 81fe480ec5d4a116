"""The history of a job: its attempts and its log lines."""

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, JobNotFound, NoRoom
from app.domain.tokens import Action
from app.infra.room import Room
from app.postgres.database import Database, DatabaseError
from app.queries import history
from app.web import answers, auth, describe, holding, names
from app.web.history.schemas import AttemptSchema, AttemptsSchema, LogsSchema, part, without_lines, without_reasons
from app.web.jobs import page

_RAISES = (InvalidRequest, JobNotFound, NoRoom, DatabaseError)


def blueprint(db: Database, room: Room) -> Blueprint:
    """Return the routes for the attempts and the logs of a job."""
    routes = Blueprint("history", __name__)
    attempt_json = AttemptSchema()

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/attempts")
    @describe.route(action=Action.READ, query=page.PartQuerySchema, gives=AttemptsSchema(), raises=_RAISES)
    def attempts(queue: str, job_id: str) -> Response:
        """List the attempts of a job, oldest first."""
        start, length = page.load_part(request)
        queue, job_id, held = names.queue_name(queue), names.job_id(job_id), holding.of(request, room)
        found = history.attempts(db, queue=queue, job_id=job_id, start=start, length=length, held=held)
        entries = attempt_json.dump(found.entries, many=True)
        members = part("attempts", entries, found, start=start)
        return answers.json(members if auth.may_see(request, queue) else without_reasons(members))

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/logs")
    @describe.route(action=Action.READ, query=page.PartQuerySchema, gives=LogsSchema(), raises=_RAISES)
    def logs(queue: str, job_id: str) -> Response:
        """List the log lines of a job, oldest first."""
        start, length = page.load_part(request)
        queue, job_id, held = names.queue_name(queue), names.job_id(job_id), holding.of(request, room)
        found = history.logs(db, queue=queue, job_id=job_id, start=start, length=length, held=held)
        members = part("logs", found.entries, found, start=start)
        return answers.json(members if auth.may_see(request, queue) else without_lines(members))

    return routes
