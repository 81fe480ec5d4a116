"""The query and the response of GET /audit."""

from datetime import UTC, datetime
from typing import Any

from flask import Request
from marshmallow import Schema, fields

from app.domain.audit import Entry
from app.queries.audit import Wanted
from app.web.fields import Filter, WholeText
from app.web.jobs import new_job, page
from app.web.tokens.schemas import TIME_MAX
from app.wire.fields import milliseconds

FILTER_MAX = 255  # characters


class AuditQuerySchema(new_job.KnownOnly):
    """Which acts are requested. Unknown parameters are refused by name: without them more would be found."""

    since = WholeText(0, TIME_MAX, metadata={"description": "ms since the epoch"})
    actor = Filter(FILTER_MAX, metadata={"description": "its id, such as token:ab12cd34, or the name of a token"})
    action = Filter(FILTER_MAX)
    queue = Filter(FILTER_MAX)
    target = Filter(FILTER_MAX, metadata={"description": "the id of a job, a plan, a schedule or a token"})
    before = WholeText(0, page.START_MAX, metadata={"description": "only acts with a lower number: `next` of a page"})
    length = WholeText(1, page.LENGTH_MAX, load_default=10)


class EntrySchema(Schema):
    """An act: who did what, and when."""

    number = fields.Integer(required=True)
    at = fields.Integer(required=True, metadata={"description": "ms since the epoch"})
    actor = fields.String(required=True)
    actorName = fields.String()
    address = fields.String()
    requestId = fields.String()
    action = fields.String(required=True)
    queue = fields.String()
    target = fields.String()
    affected = fields.Integer(required=True)
    before = fields.Dict(keys=fields.String())
    after = fields.Dict(keys=fields.String())
    outcome = fields.String(required=True)


class AuditSchema(Schema):
    """Some acts, the newest first."""

    entries = fields.List(fields.Nested(EntrySchema), required=True)
    next = fields.Integer(metadata={"description": "Present if there may be more: `before` of the next page."})


_query = AuditQuerySchema()


def load(request: Request) -> tuple[Wanted, int]:
    """Read which acts are requested, and how many. Raises InvalidRequest with all faults."""
    loaded = page.loaded_query(_query, request.query_string)
    since = loaded.get("since")
    wanted = Wanted(
        since=None if since is None else datetime.fromtimestamp(since / 1000, UTC),
        actor=loaded.get("actor"),
        action=loaded.get("action"),
        queue=loaded.get("queue"),
        target=loaded.get("target"),
        before=loaded.get("before"),
    )
    return wanted, loaded["length"]


def dump(entries: list[Entry], *, length: int) -> dict[str, Any]:
    """Return the JSON of the response."""
    members: dict[str, Any] = {"entries": [entry(one) for one in entries]}
    return members | ({"next": entries[-1].number} if len(entries) == length else {})


def entry(found: Entry) -> dict[str, Any]:
    """Return the JSON of an act."""
    actor, act = found.actor, found.act
    members = {
        "number": found.number,
        "at": milliseconds(found.at),
        "actor": actor.id,
        "actorName": actor.name,
        "address": actor.address,
        "requestId": actor.request_id,
        "action": act.action,
        "queue": act.queue,
        "target": act.target,
        "affected": act.affected,
        "before": act.before,
        "after": act.after,
        "outcome": act.outcome.value,
    }
    return {name: value for name, value in members.items() if value is not None}
