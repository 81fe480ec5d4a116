"""The verbs of one job: remove, retry, promote, change, cancel."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from app.domain.errors import (
    InvalidRequest,
    JobActive,
    JobFinished,
    JobNotDelayed,
    JobNotFinished,
    JobNotFound,
    LeaseLost,
    NoRoom,
)
from app.domain.job import Job
from app.domain.tokens import Action
from app.infra.room import COPIES, Reservation, Room
from app.infra.settings import Settings
from app.operations import manage as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.web import answers, auth, body, describe, holding, names
from app.web.auth import Tokens
from app.web.jobs import verbs
from app.wire.job import JobSchema

_ANY = (InvalidRequest, *body.ERRORS, JobNotFound, NoRoom, DatabaseError, OutcomeUnknown)


def add_routes(routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens) -> None:
    """Add the routes of the verbs."""
    _add_plain(routes, settings, db, room, access)
    _add_retry(routes, settings, db, room, access)
    _add_change(routes, settings, db, room, access)


def _answer(job_json: JobSchema, job: Job) -> Response:
    return answers.json(job_json.members_for(sees_payload=auth.may_see(request, job.queue))(job))


def _add_plain(routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens) -> None:
    """Add the routes whose bodies are read, but ignored."""
    job_json = JobSchema(queue_prefix=settings.queue_prefix)

    def done(verb: Callable[..., Job], queue: str, job_id: str) -> Response:
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        body.read(request, limit=settings.max_body_bytes, client_s=settings.client_s)
        actor, held = access.actor(request), holding.of(request, room)
        return _answer(job_json, verb(db, actor=actor, queue=queue, job_id=job_id, held=held))

    @routes.delete("/queues/<segment:queue>/jobs/<segment:job_id>")
    @describe.route(action=Action.MANAGE, gives=job_json, raises=(*_ANY, JobActive))
    def remove_job(queue: str, job_id: str) -> Response:
        """Remove a job that is not active, with its attempts and its log; return it as it was."""
        return done(operations.remove_job, queue, job_id)

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/promote")
    @describe.route(action=Action.MANAGE, gives=job_json, raises=(*_ANY, JobNotDelayed))
    def promote(queue: str, job_id: str) -> Response:
        """Make a delayed job ready now."""
        return done(operations.promote_now, queue, job_id)

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/cancel")
    @describe.route(action=Action.MANAGE, gives=job_json, raises=(*_ANY, JobFinished))
    def cancel(queue: str, job_id: str) -> Response:
        """Cancel a job: fail it, or, if it is active, ask its worker to stop."""
        return done(operations.cancel, queue, job_id)


def _long_body(settings: Settings, room: Room) -> tuple[bytes, Reservation]:
    """Read a body that may have data, with the memory for it. Raises NoRoom."""
    raw = body.read(request, limit=settings.max_body_bytes, client_s=settings.client_s)
    held = holding.of(request, room)
    if not held.take_long(len(raw) * COPIES):
        raise NoRoom
    return raw, held


def _add_retry(routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/retry")
    @describe.route(
        action=Action.MANAGE,
        body=verbs.RetrySchema,
        body_required=False,
        gives=job_json,
        raises=(*_ANY, JobNotFinished),
        example={"body": {"resetAttempts": True, "data": {"to": "grace@example.com"}}},
    )
    def retry(queue: str, job_id: str) -> Response:
        """Retry a job that has completed or failed: it is ready again, at once, with new data if it is given some."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        raw, held = _long_body(settings, room)
        asked = verbs.load_retry(raw, max_data_bytes=settings.max_data_bytes)
        body.require_still(request)
        job = operations.retry(
            db, actor=access.actor(request), queue=queue, job_id=job_id, **asked._asdict(), held=held
        )
        return _answer(job_json, job)


def _add_change(routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)

    @routes.patch("/queues/<segment:queue>/jobs/<segment:job_id>")
    @describe.route(
        action=Action.MANAGE,
        body=verbs.ChangeSchema,
        gives=job_json,
        raises=(*_ANY, JobActive, JobFinished, LeaseLost),
        example={"body": verbs.CHANGE_EXAMPLE},
    )
    def change(queue: str, job_id: str) -> Response:
        """Change a job that is waiting, prioritized or delayed; or the data of an active one, with its token."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        raw, held = _long_body(settings, room)
        asked = verbs.load_change(raw, max_data_bytes=settings.max_data_bytes)
        body.require_still(request)
        job = operations.change(
            db,
            actor=access.actor(request),
            queue=queue,
            job_id=job_id,
            change=asked.change,
            token=asked.token,
            held=held,
        )
        return _answer(job_json, job)
