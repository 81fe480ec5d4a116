"""Jobs of a queue: add, list, get; and those of `manage`."""

import hashlib
from functools import partial
from typing import Any

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, JobNotFound, KeyInUse, KeyReused, NoRoom
from app.domain.job import Job
from app.domain.keys import IdempotencyKey
from app.domain.tokens import ALL, Action, Caller
from app.infra.room import Reservation, Room
from app.infra.settings import Settings
from app.operations import jobs as operations
from app.operations.jobends import JobEnds
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import find as finding
from app.queries import jobs
from app.web import answers, auth, body, clients, describe, headers, holding, names, quotas
from app.web.auth import CALLER, Tokens
from app.web.jobs import deduplication, failures, find, manage, new_job, page
from app.web.jobs.submitted import SubmittedSchema
from app.web.quotas import Quotas
from app.wire.job import JobSchema, PlacedJobSchema

AROUND = 400
"""Estimated bytes of a job in a response, besides its texts (data, opts, result)."""


def blueprint(
    settings: Settings, db: Database, room: Room, access: Tokens, limits: Quotas, *, ends: JobEnds
) -> Blueprint:
    """Return the routes below /queues/<queue>/jobs."""
    routes = Blueprint("jobs", __name__)
    _add_writes(routes, settings, db, room, limits)
    finder = finding.Finder(db)
    _add_list(routes, settings, db, room, access, finder=finder)
    _add_list_all(routes, settings, room, access, finder=finder)
    failures.add_routes(routes, finder)
    _add_get(routes, settings, db, room, access, ends=ends)
    manage.add_routes(routes, settings, db, room, access)
    deduplication.add_routes(routes, settings, db, access)
    return routes


def _add_writes(routes: Blueprint, settings: Settings, db: Database, room: Room, limits: Quotas) -> None:
    submitted_json = SubmittedSchema(queue_prefix=settings.queue_prefix)
    submissions = operations.Submissions(db)

    @routes.post("/queues/<segment:queue>/jobs")
    @describe.route(
        action=Action.ADD,
        body=new_job.NewJobSchema,
        body_many=True,
        headers=("Idempotency-Key", "traceparent", "tracestate"),
        gives=submitted_json,
        gives_many=True,
        gives_headers=("Idempotency-Replayed",),
        raises=(InvalidRequest, *body.ERRORS, KeyInUse, KeyReused, NoRoom, DatabaseError, OutcomeUnknown),
        example={"body": new_job.EXAMPLE},
    )
    def add(queue: str) -> Response:
        """Add jobs: all of them or none."""
        queue, asked = names.queue_name(queue), auth.current_request()
        key, trace = headers.idempotency_key(asked), headers.trace(asked)
        raw = body.read(asked, limit=settings.max_body_bytes, client_s=settings.client_s)
        new = new_job.load(raw, max_jobs=settings.max_jobs, max_data_bytes=settings.max_data_bytes)
        new = new_job.traced(new, trace) if trace else new
        caller: Caller = asked.environ[CALLER]
        shown = submitted_json.dump_all if auth.may_see(asked, queue) else submitted_json.dump_known
        held = holding.of(asked, room)
        if not held.take_long(len(raw) + len(new) * AROUND):
            raise NoRoom

        body.require_still(asked)
        admission = quotas.Admission(limits, caller, queue=queue, number=len(new))
        if key is None:
            admission.require_alone(db)
            return answers.json(shown(submissions.submit_many(queue=queue, new=new, held=held)))
        reply = operations.submit_once(
            db,
            queue=queue,
            new=new,
            key=IdempotencyKey(key=key, token_digest=caller.key_digest, body_digest=hashlib.sha256(raw).digest()),
            keep_ms=settings.keep_keys_ms,
            held=held,
            admit=admission.require,
            answer=lambda submitted: answers.text(shown(submitted)),
        )
        return answers.json(answers.Text(reply.text), headers=headers.replayed(reply.is_replay))


def _add_list(
    routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens, *, finder: finding.Finder
) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)
    pages = jobs.Pages(db)

    def reserve() -> Reservation:
        return holding.of(request, room)

    def found(queue: str) -> Response:
        sought = find.load(request, queue)
        if sought.wanted.needs_payload:
            access.require(request, Action.PAYLOAD, queue)
        seen = finder.find(queue=queue, sought=sought, reserve=reserve)
        members = job_json.members_for(sees_payload=auth.may_see(request, queue))
        return answers.json(find.dump(queue, sought, seen, members))

    @routes.get("/queues/<segment:queue>/jobs")
    @describe.route(
        action=Action.READ,
        query=find.FindQuerySchema,
        gives=find.FoundSchema(),
        raises=(InvalidRequest, NoRoom, DatabaseError),
        example={"answer": find.EXAMPLE},
    )
    def list_page(queue: str) -> Response:
        """List the jobs of a queue, page by page, with counts by status; with a filter, those that match it."""
        queue = names.queue_name(queue)
        asked = page.load(request, queue)
        if asked is None:
            return found(queue)
        read = pages.read(queue=queue, part=asked, reserve=reserve)
        members = job_json.members_for(sees_payload=auth.may_see(request, queue))
        return answers.json(page.dump(queue, asked, read, members))


def _add_list_all(routes: Blueprint, settings: Settings, room: Room, access: Tokens, *, finder: finding.Finder) -> None:
    job_json = PlacedJobSchema(queue_prefix=settings.queue_prefix)

    @routes.get("/jobs")
    @describe.route(
        action=Action.READ,
        query=find.FindAllQuerySchema,
        gives=find.FoundAllSchema(),
        raises=(InvalidRequest, NoRoom, DatabaseError),
        example={"answer": find.ALL_EXAMPLE},
    )
    def list_all() -> Response:
        """Find jobs of all queues that the token may read, the newest first over all of them."""
        sought = find.load_all(request)
        caller: Caller = request.environ[CALLER]
        shown = [ALL]
        if sought.wanted.needs_payload:
            access.require(request, Action.PAYLOAD, None)
            shown = caller.patterns(Action.PAYLOAD)
        seen = finder.find_all(
            readable=caller.patterns(Action.READ),
            shown=shown,
            sought=sought,
            reserve=lambda: holding.of(request, room),
        )

        def members(job: Job) -> dict[str, Any]:
            return job_json.members_for(sees_payload=caller.may(Action.PAYLOAD, job.queue))(job)

        return answers.json(find.dump_all(sought, seen, members))


def _add_get(routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens, *, ends: JobEnds) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)
    lookup = jobs.Lookup(db)

    def reserve() -> Reservation:
        return holding.of(request, room)

    def when_ended(queue: str, job_id: str, wait_ms: int) -> Job:
        found = ends.wait(
            partial(lookup.find, queue=queue, job_id=job_id, reserve=reserve),
            wait_ms=wait_ms,
            has_left=lambda: clients.has_left(request) or not access.is_still_valid(request),
            held=reserve(),
        )
        access.require_still(request)  # it may have been revoked meanwhile
        return found

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>")
    @describe.route(
        action=Action.READ,
        query=page.WaitQuerySchema,
        gives=job_json,
        raises=(InvalidRequest, JobNotFound, NoRoom, DatabaseError),
    )
    def get(queue: str, job_id: str) -> Response:
        """Get a job; with `wait`, wait for its end (long poll)."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        if wait_ms := min(page.load_wait(request), settings.max_wait_ms):
            with quotas.place(wait_ms):
                found = when_ended(queue, job_id, wait_ms)
        else:
            found = lookup.find(queue=queue, job_id=job_id, reserve=reserve)
        return answers.json(job_json.members_for(sees_payload=auth.may_see(request, queue))(found))
