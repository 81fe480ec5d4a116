"""Jobs of a queue: add, cancel, list, get."""

import hashlib

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, JobFinished, JobNotFound, KeyInUse, KeyReused, NoRoom
from app.domain.keys import IdempotencyKey
from app.infra.room import Reservation, Room
from app.infra.settings import Settings
from app.operations import jobs as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import jobs
from app.web import answers, body, describe, headers, holding, names
from app.web.auth import TOKEN_DIGEST
from app.web.jobs import new_job, page
from app.web.jobs.submitted import SubmittedSchema
from app.wire.job import JobSchema

AROUND = 400
"""Estimated bytes of a job in a response, besides its texts (data, opts, result)."""


def blueprint(settings: Settings, db: Database, room: Room) -> Blueprint:
    """Return the routes below /queues/<queue>/jobs."""
    routes = Blueprint("jobs", __name__)
    _add_writes(routes, settings, db, room)
    _add_cancel(routes, settings, db, room)
    _add_reads(routes, settings, db, room)
    return routes


def _add_writes(routes: Blueprint, settings: Settings, db: Database, room: Room) -> None:
    submitted_json = SubmittedSchema(queue_prefix=settings.queue_prefix)
    submissions = operations.Submissions(db)

    @routes.post("/queues/<segment:queue>/jobs")
    @describe.route(
        body=new_job.NewJobSchema,
        body_many=True,
        headers=("Idempotency-Key",),
        gives=submitted_json,
        gives_many=True,
        gives_headers=("Idempotency-Replayed",),
        raises=(InvalidRequest, *body.ERRORS, KeyInUse, KeyReused, NoRoom, DatabaseError, OutcomeUnknown),
        example={"body": new_job.EXAMPLE},
    )
    def add(queue: str) -> Response:
        """Add jobs: all of them or none."""
        queue = names.queue_name(queue)
        key = headers.idempotency_key(request)
        raw = body.read(request, limit=settings.max_body_bytes, client_s=settings.client_s)
        new = new_job.load(raw, max_jobs=settings.max_jobs, max_data_bytes=settings.max_data_bytes)
        held = holding.of(request, room)
        if not held.take_long(len(raw) + len(new) * AROUND):
            raise NoRoom
        if key is None:
            return answers.json(submitted_json.dump_all(submissions.submit_many(queue=queue, new=new, held=held)))
        reply = operations.submit_once(
            db,
            queue=queue,
            new=new,
            key=IdempotencyKey(
                key=key, token_digest=request.environ[TOKEN_DIGEST], body_digest=hashlib.sha256(raw).digest()
            ),
            keep_ms=settings.keep_keys_ms,
            held=held,
            answer=lambda submitted: answers.text(submitted_json.dump_all(submitted)),
        )
        return answers.json(answers.Text(reply.text), headers=headers.replayed(reply.is_replay))


def _add_cancel(routes: Blueprint, settings: Settings, db: Database, room: Room) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/cancel")
    @describe.route(
        gives=job_json,
        raises=(InvalidRequest, *body.ERRORS, JobNotFound, JobFinished, NoRoom, DatabaseError, OutcomeUnknown),
    )
    def cancel(queue: str, job_id: str) -> Response:
        """Cancel a job: fail it, or, if it is active, ask its worker to stop."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        body.read(request, limit=settings.max_body_bytes, client_s=settings.client_s)  # read, but ignored
        job = operations.cancel(db, queue=queue, job_id=job_id, held=holding.of(request, room))
        return answers.json(job_json.members(job))


def _add_reads(routes: Blueprint, settings: Settings, db: Database, room: Room) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)
    lookup, pages = jobs.Lookup(db), jobs.Pages(db)

    def reserve() -> Reservation:
        return holding.of(request, room)

    @routes.get("/queues/<segment:queue>/jobs")
    @describe.route(query=page.PageQuerySchema, gives=page.PageSchema(), raises=(InvalidRequest, NoRoom, DatabaseError))
    def list_page(queue: str) -> Response:
        """List the jobs of a queue, page by page, with counts by status."""
        queue = names.queue_name(queue)
        asked = page.load(request, queue)
        found = pages.read(queue=queue, part=asked, reserve=reserve)
        return answers.json(page.dump(queue, asked, found, job_json))

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>")
    @describe.route(gives=job_json, raises=(InvalidRequest, JobNotFound, NoRoom, DatabaseError))
    def get(queue: str, job_id: str) -> Response:
        """Get a job."""
        found = lookup.find(queue=names.queue_name(queue), job_id=names.job_id(job_id), reserve=reserve)
        return answers.json(job_json.members(found))
