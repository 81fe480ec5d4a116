"""The failed jobs of a queue, in groups of those that failed alike."""

from typing import Any

from flask import Blueprint, Response, request
from marshmallow import Schema, fields

from app.domain.errors import InvalidRequest
from app.domain.failures import FailureGroup, Newest
from app.domain.tokens import Action
from app.postgres.database import DatabaseError
from app.queries.find import Failures, Finder
from app.web import answers, auth, describe, names
from app.web.jobs import new_job, page
from app.wire.fields import Milliseconds, milliseconds

_PAYLOAD = ("fingerprint", "example")
"""What tells, or lets guess, what is in the reasons of failures."""


class FailuresQuerySchema(page.PartQuerySchema, new_job.KnownOnly):
    """Which groups are requested. Unknown parameters are refused by name: there is no filter."""


class FailureGroupSchema(Schema):
    """Jobs that are failed now and failed alike."""

    fingerprint = fields.String(metadata={"description": "as in the filters of jobs and plans"})
    example = fields.String(metadata={"description": "the `failedReason` of the newest job, up to 1,000 characters"})
    count = fields.Integer(required=True, metadata={"description": "jobs"})
    firstOn = Milliseconds(required=True)
    lastOn = Milliseconds(required=True)
    jobs = fields.List(fields.String(), required=True, metadata={"description": "the ids of the newest, up to three"})
    hidden = fields.List(
        fields.String(), metadata={"description": "Present if the token lacks `payload`: the members left out."}
    )


class FailuresSchema(Schema):
    """Groups of failures, the largest first."""

    groups = fields.List(fields.Nested(FailureGroupSchema), required=True)
    count = fields.Integer(required=True, metadata={"description": "how many groups there are"})
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)
    isComplete = fields.Boolean(
        required=True,
        metadata={
            "description": "false if counting stopped at its bound: there may be more groups, and more jobs in one"
        },
    )
    ungrouped = fields.Integer(
        metadata={"description": "Failed jobs that are in no group yet: a node of an older release failed them."}
    )


EXAMPLE = {
    "groups": [
        {
            "fingerprint": "5f0c3a9b7d21e884",
            "example": "TimeoutError: no answer from 10.0.3.7 in 30 s",
            "count": 1_204,
            "firstOn": 1_780_000_000_000,
            "lastOn": 1_780_000_090_000,
            "jobs": ["4711", "4708", "4690"],
        }
    ],
    "count": 1,
    "start": 0,
    "length": 10,
    "isComplete": True,
    "ungrouped": 0,
}


def add_routes(routes: Blueprint, finder: Finder) -> None:
    """Add the route."""
    query = FailuresQuerySchema()

    @routes.get("/queues/<segment:queue>/failures")
    @describe.route(
        action=Action.READ,
        query=FailuresQuerySchema,
        gives=FailuresSchema(),
        raises=(InvalidRequest, DatabaseError),
        example={"answer": EXAMPLE},
    )
    def list_failures(queue: str) -> Response:
        """List the failed jobs of a queue in groups of those that failed alike, the largest group first."""
        queue = names.queue_name(queue)
        asked = page.loaded_query(query, request.query_string)
        start, length = asked["start"], asked["length"]
        found = finder.failures(queue=queue, start=start, length=length)
        return answers.json(dump(found, sees_payload=auth.may_see(request, queue)) | {"start": start, "length": length})


def dump(found: Failures, *, sees_payload: bool) -> dict[str, Any]:
    """Return the JSON of groups of failures, without which of them these are."""
    shown = [_group(group, newest) for group, newest in found.groups]
    if not sees_payload:
        shown = [
            {name: value for name, value in one.items() if name not in _PAYLOAD} | {"hidden": [*_PAYLOAD]}
            for one in shown
        ]
    members = {"groups": shown, "count": found.known, "isComplete": found.is_complete}
    return members if found.ungrouped is None else members | {"ungrouped": found.ungrouped}


def _group(group: FailureGroup, newest: Newest) -> dict[str, Any]:
    return {
        "fingerprint": group.fingerprint,
        "example": newest.example,
        "count": group.jobs,
        "firstOn": milliseconds(group.first_at),
        "lastOn": milliseconds(group.last_at),
        "jobs": newest.ids,
    }
