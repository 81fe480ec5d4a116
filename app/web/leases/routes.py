"""Working jobs over HTTP: claim jobs, settle attempts, extend leases."""

from random import Random

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, JobNotFound, LeaseLost, NoRoom
from app.domain.tokens import Action
from app.domain.workers import PullingWorkers
from app.infra.room import Room
from app.infra.settings import Settings
from app.operations import settle
from app.operations.longpoll import Waiting
from app.operations.settle import Settlement
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.web import answers, auth, body, clients, describe, holding, names, quotas
from app.web.auth import Tokens
from app.web.leases import schemas
from app.wire.job import JobSchema

TOKEN_EXAMPLE = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"  # noqa: S105 - an example
_ENDS = (InvalidRequest, *body.ERRORS, JobNotFound, LeaseLost, DatabaseError, OutcomeUnknown)


def blueprint(
    settings: Settings, db: Database, waiting: Waiting, room: Room, access: Tokens, *, pulling: PullingWorkers
) -> Blueprint:
    """Return the routes for HTTP workers, who are noted in `pulling`."""
    routes = Blueprint("work", __name__)
    _add_claim(routes, settings, waiting, room, access, pulling=pulling)
    _add_endings(routes, settings, db)
    _add_extend(routes, settings, db, pulling=pulling)
    _add_finish(routes, settings, db, waiting, room, pulling=pulling)
    return routes


def _raw(settings: Settings) -> bytes:
    return body.read(request, limit=settings.max_body_bytes, client_s=settings.client_s)


def _worker() -> str:
    return request.remote_addr or "http"


def _add_claim(
    routes: Blueprint, settings: Settings, waiting: Waiting, room: Room, access: Tokens, *, pulling: PullingWorkers
) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)

    @routes.post("/queues/<segment:queue>/jobs/claim")
    @describe.route(
        action=Action.WORK,
        body=schemas.ClaimSchema,
        body_required=False,
        gives=schemas.ClaimedSchema(),
        raises=(InvalidRequest, *body.ERRORS, NoRoom, DatabaseError, OutcomeUnknown),
        example={"body": {"count": 1, "lockDuration": 30_000, "wait": 0}},
    )
    def claim(queue: str) -> Response:
        """Claim ready jobs; with `wait`, wait for the first one (long poll)."""
        queue = names.queue_name(queue)
        raw = body.read_short(request, settings)
        asked = schemas.load_claim(raw, lease_ms=settings.lease_ms, max_wait_ms=settings.max_wait_ms, worker=_worker())
        pulling.note(queue, asked.ask.worker, asked.ask.limit)
        with quotas.place(asked.wait_ms):
            leases = waiting.claim(
                queue=queue,
                ask=asked.ask,
                wait_ms=asked.wait_ms,
                has_left=lambda: clients.has_left(request) or not access.is_still_valid(request),
                held=holding.of(request, room),
            )
        if not leases:
            access.require_still(request)  # a revoked token gets none, and hears why
        return answers.json({"jobs": schemas.dump_leases(leases, job_json, sees_payload=auth.may_see(request, queue))})


def _add_endings(routes: Blueprint, settings: Settings, db: Database) -> None:
    random = Random()  # noqa: S311 - spreads retries, guards nothing

    def finish(queue: str, settlement: Settlement) -> Response:
        body.require_still(request)
        status = settle.finish_one(db, queue=queue, settlement=settlement, random=random)
        return answers.json(schemas.dump_ended(settlement.job_id, status))

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/complete")
    @describe.route(
        action=Action.WORK,
        body=schemas.CompleteSchema,
        gives=schemas.EndedSchema(),
        raises=_ENDS,
        example={"body": {"token": TOKEN_EXAMPLE, "returnvalue": {"sent": True}}},
    )
    def complete(queue: str, job_id: str) -> Response:
        """Complete an attempt and store its result."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        return finish(
            queue, schemas.load_complete(_raw(settings), job_id=job_id, max_data_bytes=settings.max_data_bytes)
        )

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/fail")
    @describe.route(
        action=Action.WORK,
        body=schemas.FailSchema,
        gives=schemas.EndedSchema(),
        raises=_ENDS,
        example={"body": {"token": TOKEN_EXAMPLE, "failedReason": "no such address"}},
    )
    def fail(queue: str, job_id: str) -> Response:
        """Fail an attempt: the job is retried while it has attempts left."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        return finish(queue, schemas.load_fail(_raw(settings), job_id=job_id, max_body_bytes=settings.max_body_bytes))

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/release")
    @describe.route(
        action=Action.WORK,
        body=schemas.ReleaseSchema,
        gives=schemas.EndedSchema(),
        raises=_ENDS,
        example={"body": {"token": TOKEN_EXAMPLE, "delay": 1000}},
    )
    def release(queue: str, job_id: str) -> Response:
        """Release a job without counting an attempt: it is ready again, at once or after a delay."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        return finish(queue, schemas.load_release(body.read_short(request, settings), job_id=job_id))


def _add_extend(routes: Blueprint, settings: Settings, db: Database, *, pulling: PullingWorkers) -> None:
    extended_json = schemas.ExtendedSchema()

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/extend")
    @describe.route(
        action=Action.WORK,
        body=schemas.ExtendSchema,
        gives=extended_json,
        raises=_ENDS,
        example={"body": {"token": TOKEN_EXAMPLE, "lockDuration": 30_000}},
    )
    def extend(queue: str, job_id: str) -> Response:
        """Extend the lease of an active job."""
        queue, job_id = names.queue_name(queue), names.job_id(job_id)
        token, lease_ms = schemas.load_extend(body.read_short(request, settings), lease_ms=settings.lease_ms)
        held = settle.extend_one(db, queue=queue, job_id=job_id, token=token, lease_ms=lease_ms)
        pulling.note_of_lease(queue, held.worker)
        return answers.json({"id": job_id} | extended_json.dump(held))


def _add_finish(
    routes: Blueprint, settings: Settings, db: Database, waiting: Waiting, room: Room, *, pulling: PullingWorkers
) -> None:
    job_json = JobSchema(queue_prefix=settings.queue_prefix)
    random = Random()  # noqa: S311 - spreads retries, guards nothing

    @routes.post("/queues/<segment:queue>/jobs/finish")
    @describe.route(
        action=Action.WORK,
        body=schemas.FinishSchema,
        gives=schemas.FinishedSchema(),
        raises=(InvalidRequest, *body.ERRORS, DatabaseError, OutcomeUnknown),
        example={"body": {"jobs": [{"id": "1", "token": TOKEN_EXAMPLE, "returnvalue": 1}], "claim": {"count": 1}}},
    )
    def finish(queue: str) -> Response:
        """Settle many attempts and claim the next jobs, in one transaction."""
        queue = names.queue_name(queue)
        settlements, ask = schemas.load_finish(
            _raw(settings),
            lease_ms=settings.lease_ms,
            worker=_worker(),
            max_data_bytes=settings.max_data_bytes,
            max_body_bytes=settings.max_body_bytes,
        )
        body.require_still(request)
        if ask:
            pulling.note(queue, ask.worker, ask.limit)
        held = holding.of(request, room) if ask else None
        done = settle.finish(
            db,
            queue=queue,
            settlements=settlements,
            random=random,
            ask=ask,
            cursor=waiting.cursors.of(queue),
            held=held,
        )
        finished = [
            schemas.dump_ended(one.job_id, status) for one, status in zip(settlements, done.statuses, strict=True)
        ]
        sees_payload = auth.may_see(request, queue)
        claimed = schemas.dump_leases(done.claimed.leases, job_json, sees_payload=sees_payload) if done.claimed else []
        return answers.json({"finished": finished, "jobs": claimed})
