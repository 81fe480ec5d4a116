"""GET /running: the jobs that run now, where, how long, and until when their leases last."""

from typing import Any

from flask import Blueprint, Response, request
from marshmallow import Schema, fields

from app.domain.errors import InvalidRequest
from app.domain.ids import QUEUE_NAME_MAX
from app.domain.running import RunningJob
from app.domain.tokens import Action, Caller
from app.postgres.database import Database, DatabaseError
from app.queries import running as queries
from app.web import answers, describe, names
from app.web.auth import CALLER, Tokens
from app.web.fields import Filter
from app.web.jobs import new_job, page
from app.wire.fields import Milliseconds, milliseconds


class RunningQuerySchema(page.PartQuerySchema, new_job.KnownOnly):
    """Which jobs are requested. Unknown parameters are refused by name."""

    queue = Filter(
        QUEUE_NAME_MAX,
        metadata={
            "description": "of this queue; absent: of all that the token may read",
            "minLength": 1,
            "pattern": r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f-\x9f]+$",
        },
    )


class RunningJobSchema(Schema):
    """A job that runs."""

    queue = fields.String(required=True)
    id = fields.String(required=True)
    name = fields.String(required=True)
    attempt = fields.Integer(required=True, metadata={"description": "which claim of the job this is, from 1"})
    worker = fields.String(metadata={"description": "`processedBy`"})
    startedOn = Milliseconds(metadata={"description": "when the attempt began"})
    leaseUntil = Milliseconds(metadata={"description": "if its worker does not extend the lease, it is stalled then"})
    cancelRequestedOn = Milliseconds()
    progress = fields.Float(metadata={"description": "if it is a number"})


class RunningSchema(Schema):
    """The jobs that run, those that run longest first."""

    jobs = fields.List(fields.Nested(RunningJobSchema), required=True)
    count = fields.Integer(required=True, metadata={"description": "how many run"})
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)
    isComplete = fields.Boolean(
        required=True,
        metadata={"description": f"false if there are more than {queries.LOOKED_MAX:,}: then these are some of them"},
    )


EXAMPLE = {
    "jobs": [
        {
            "queue": "mail",
            "id": "4711",
            "name": "welcome",
            "attempt": 1,
            "worker": "crane:4711",
            "startedOn": 1_780_000_000_000,
            "leaseUntil": 1_780_000_030_000,
            "progress": 40.0,
        }
    ],
    "count": 1,
    "start": 0,
    "length": 10,
    "isComplete": True,
}


def blueprint(db: Database, access: Tokens) -> Blueprint:
    """Return the route."""
    routes = Blueprint("running", __name__)
    query = RunningQuerySchema()

    @routes.get("/running")
    @describe.route(
        action=Action.READ,
        query=RunningQuerySchema,
        gives=RunningSchema(),
        raises=(InvalidRequest, DatabaseError),
        example={"answer": EXAMPLE},
    )
    def list_running() -> Response:
        """List the jobs that run now, those that run longest first: of one queue, or of all that the token may read."""
        asked = page.loaded_query(query, request.query_string)
        caller: Caller = request.environ[CALLER]
        queue = asked.get("queue")
        if queue is not None:
            access.require(request, Action.READ, names.require_queue(queue))
        part = {"start": asked["start"], "length": asked["length"]}
        found = queries.page(db, queue=queue, allowed=caller.patterns(Action.READ), **part)
        members = {"jobs": [*map(_dump, found.jobs)], "count": found.count, "isComplete": found.is_complete}
        return answers.json(members | part)

    return routes


def _dump(job: RunningJob) -> dict[str, Any]:
    times = {
        "startedOn": job.started_at,
        "leaseUntil": job.leased_until,
        "cancelRequestedOn": job.cancel_requested_at,
    }
    members: dict[str, Any] = {"queue": job.queue, "id": job.id, "name": job.name, "attempt": job.attempt}
    members |= {} if job.worker is None else {"worker": job.worker}
    members |= {name: milliseconds(at) for name, at in times.items() if at is not None}
    return members if job.progress is None else members | {"progress": answers.Text(job.progress)}
