"""Deduplication ids of a queue: who holds one, and letting it go."""

from flask import Blueprint, Response, request
from marshmallow import Schema, fields

from app.domain.deduplication import Holder
from app.domain.errors import InvalidRequest, NotHeld
from app.domain.tokens import Action
from app.infra.settings import Settings
from app.operations import deduplication as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import deduplication as queries
from app.web import answers, body, describe, names
from app.web.auth import Tokens
from app.wire.fields import Milliseconds, milliseconds


class HeldSchema(Schema):
    """A deduplication id that a job holds."""

    id = fields.String(required=True)
    jobId = fields.String(required=True, metadata={"description": "the job that holds it"})
    expiresOn = Milliseconds(metadata={"description": "the end of its window; absent: it is held until the job ends"})
    hasStored = fields.Boolean(metadata={"description": "true: a job is stored, and follows when the holder has ended"})

    def members(self, dedup_id: str, holder: Holder) -> dict[str, object]:
        """Return the JSON of an id and its holder."""
        members: dict[str, object] = {"id": dedup_id, "jobId": holder.job_id}
        if holder.expires_at is not None:
            members["expiresOn"] = milliseconds(holder.expires_at)
        return members | ({"hasStored": True} if holder.has_stored else {})


EXAMPLE = {"id": "invoice-4711", "jobId": "81", "expiresOn": 1_767_225_600_000}


def add_routes(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    """Add the routes."""
    held_json = HeldSchema()

    @routes.get("/queues/<segment:queue>/deduplication/<segment:dedup_id>")
    @describe.route(
        action=Action.READ,
        gives=held_json,
        raises=(InvalidRequest, NotHeld, DatabaseError),
        example={"answer": EXAMPLE},
    )
    def get_deduplication(queue: str, dedup_id: str) -> Response:
        """Get the job that holds a deduplication id."""
        queue, dedup_id = names.queue_name(queue), names.dedup_id(dedup_id)
        return answers.json(held_json.members(dedup_id, queries.find(db, queue=queue, dedup_id=dedup_id)))

    @routes.delete("/queues/<segment:queue>/deduplication/<segment:dedup_id>")
    @describe.route(
        action=Action.MANAGE,
        gives=held_json,
        raises=(InvalidRequest, *body.ERRORS, NotHeld, DatabaseError, OutcomeUnknown),
        example={"answer": EXAMPLE},
    )
    def let_go(queue: str, dedup_id: str) -> Response:
        """Let go of a deduplication id; return it as it was held. A job that is stored to follow is added now."""
        queue, dedup_id = names.queue_name(queue), names.dedup_id(dedup_id)
        body.read_short(request, settings)  # read, but ignored
        holder = operations.let_go(db, actor=access.actor(request), queue=queue, dedup_id=dedup_id)
        return answers.json(held_json.members(dedup_id, holder))
