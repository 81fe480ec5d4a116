"""The query of GET /queues/:queue/jobs."""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from flask import Request
from marshmallow import Schema, ValidationError, fields, validate
from werkzeug.datastructures import MultiDict

from app.domain import tokens
from app.domain.errors import Fault, InvalidRequest
from app.domain.ids import QUEUE_NAME_MAX
from app.domain.job import Job
from app.domain.states import Status
from app.queries.jobs import Page, Part
from app.web.fields import Filter, WholeText
from app.web.jobs import cursor, new_job
from app.wire.job import JobSchema

LENGTH_MAX = 100
START_MAX = 2**53
WAIT_MAX_MS = 30_000
ALL = "all"
DATA = "data."
"""What the names of parameters begin with that are paths into the data of jobs."""
FILTERS = {"name", "tag", "since", "until", "finishedSince", "finishedUntil", "error", "worker", "fingerprint"}
"""The other parameters of a filter."""
_SEEN_LONGEST = 256
"""The longest query that is cached, in bytes: most requests have the same query as others."""


class Statuses(fields.Field[list[Status]]):
    """Comma-separated statuses, or `all`; empty and repeated ones are ignored."""

    def _deserialize(self, value: str, *_: object, **__: object) -> list[Status]:
        words = list(dict.fromkeys(word for word in value.split(",") if word)) or [ALL]
        unknown = [word for word in words if word not in {ALL, *Status}]
        if unknown:
            raise ValidationError(f"must be {ALL} or of {', '.join(Status)}, not {unknown[0][:100]!r}")
        return list(Status) if ALL in words else [Status(word) for word in words]


class PageQuerySchema(Schema):
    """The query parameters. Unknown ones are ignored."""

    statuses = Statuses(load_default=list(Status))
    start = WholeText(0, START_MAX, load_default=0)
    length = WholeText(0, LENGTH_MAX, load_default=10)
    order = fields.String(load_default="desc", validate=validate.OneOf(["asc", "desc"], error="must be asc or desc"))
    cursor = fields.String(
        metadata={"description": "The `next` of a page: continues after it, with the same statuses and order."}
    )


class PageSchema(Schema):
    """The response, for the OpenAPI document."""

    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    jobs = fields.List(fields.Nested(JobSchema(queue_prefix="bull")), required=True)
    start = fields.Integer(required=True)
    length = fields.Integer(required=True)
    next = fields.String(metadata={"description": "Present if the page ended early: the `cursor` of the next page."})


class PartQuerySchema(Schema):
    """Which part of the history of a job is requested. Unknown parameters are ignored."""

    start = WholeText(0, START_MAX, load_default=0)
    length = WholeText(0, LENGTH_MAX, load_default=10)


class OfQueuesQuerySchema(PartQuerySchema, new_job.KnownOnly):
    """Which part of a list over queues is requested. Unknown parameters are refused by name."""

    pattern = Filter(
        QUEUE_NAME_MAX,
        load_default=tokens.ALL,
        metadata={"description": "a name of a queue, in which `*` stands for any characters"},
    )


class WaitQuerySchema(Schema):
    """The query parameters of one job. Unknown ones are ignored."""

    wait = WholeText(
        0,
        WAIT_MAX_MS,
        load_default=0,
        metadata={"description": "Responds when the job has ended, or after so many ms; at most ROWLINE_MAX_WAIT_MS."},
    )


_schema = PageQuerySchema(unknown="exclude")
_part_schema = PartQuerySchema(unknown="exclude")
_wait_schema = WaitQuerySchema(unknown="exclude")


def load(request: Request, queue: str) -> Part | None:
    """Read the query of a page of `queue`; None if it has a filter. Raises InvalidRequest with all faults."""
    query = request.query_string
    if b"cursor" in query:
        return _from_cursor(query, queue) or _page(query)
    return (_seen if len(query) <= _SEEN_LONGEST else _page)(query)


def dump(queue: str, part: Part, page: Page, members_of: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON of a page, with `next` if it ended early, or if it was requested by a cursor and is full."""
    members: dict[str, Any] = {
        "counts": {status.value: number for status, number in page.counts.items()},
        "jobs": [members_of(job) for job in page.jobs],
        "start": part.start,
        "length": len(page.jobs) if page.is_truncated else part.length,
    }
    if page.jobs and (page.is_truncated or (part.after is not None and len(page.jobs) == part.length)):
        members["next"] = cursor.of(queue, part, after=page.jobs[-1].number, passed=len(page.jobs))
    return members


def _page(query: bytes) -> Part | None:
    given = parameters(query)
    if any(name in FILTERS or name.startswith(DATA) for name in given):
        return None
    loaded = _loaded(_schema, given)
    return Part(
        statuses=tuple(loaded["statuses"]),
        start=loaded["start"],
        length=loaded["length"],
        newest_first=loaded["order"] == "desc",
    )


_seen = functools.lru_cache(maxsize=1024)(_page)


def _from_cursor(query: bytes, queue: str) -> Part | None:
    """Read a query with a cursor; None if it has a filter, or if `cursor` is only part of another parameter."""
    asked = _page(query)
    given = parameters(query)
    if asked is None or "cursor" not in given:
        return None
    if "start" in given:
        raise InvalidRequest(Fault("start", "must not be given with a cursor, which says where to go on"))
    part = cursor.read(queue, given["cursor"], length=asked.length)
    cursor.require_same(part, asked, has_statuses="statuses" in given, has_order="order" in given)
    return part


def load_part(request: Request) -> tuple[int, int]:
    """Read `start` and `length`. Raises InvalidRequest with all faults."""
    loaded = loaded_query(_part_schema, request.query_string)
    return loaded["start"], loaded["length"]


def load_wait(request: Request) -> int:
    """Read `wait`, in ms. Raises InvalidRequest."""
    query = request.query_string
    return int(loaded_query(_wait_schema, query)["wait"]) if b"wait" in query else 0


def loaded_query(schema: Schema, query: bytes) -> dict[str, Any]:
    """Read the parameters of a query by a schema. Raises InvalidRequest with all faults."""
    return _loaded(schema, parameters(query))


def _loaded(schema: Schema, given: MultiDict[str, str]) -> dict[str, Any]:
    twice = [name for name in schema.fields if len(given.getlist(name)) > 1]
    if twice:
        raise InvalidRequest(*(Fault(name, "must not be given twice") for name in twice))
    return new_job.loaded(schema, given.to_dict())


def parameters(query: bytes) -> MultiDict[str, str]:
    """Parse the query as `Request.args` does. Raises InvalidRequest if it is not UTF-8."""
    try:
        return MultiDict(parse_qsl(query.decode(), keep_blank_values=True, errors="werkzeug.url_quote"))
    except UnicodeDecodeError:  # bytes that are not percent-encoded at all
        raise InvalidRequest(Fault("query", "must be percent-encoded UTF-8")) from None
