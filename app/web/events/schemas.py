"""The queries and the responses of the routes of events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Request
from marshmallow import Schema, ValidationError, fields, validate

from app.domain import events, ids
from app.domain.errors import Fault, InvalidRequest
from app.domain.events import EventType, Shown
from app.queries.events import TitledEvent, TitledRun
from app.web import answers
from app.web.fields import Texts, WholeText
from app.web.jobs import new_job, page

FILTERS_MAX = 20
PAGE_MAX = 1_000
START = "start"
LAST_EVENT_ID = "Last-Event-ID"
_REPEATABLE = ("queue", "type")


class Cursor(fields.Field[int | None]):
    """The id of an event, or `start`, which is None."""

    def _deserialize(self, value: str, *_: Any, **__: Any) -> int | None:
        if value == START:
            return None
        if not value.isascii() or not value.isdigit() or int(value[:19]) > page.START_MAX or len(value) > len("9" * 18):
            raise ValidationError(f"must be the id of an event, or {START!r}")
        return int(value)


class EventsQuerySchema(Schema):
    """Which events are requested. Unknown parameters are ignored."""

    queue = Texts(
        FILTERS_MAX,
        ids.QUEUE_NAME_MAX,
        allow_none=False,
        metadata={"description": "of this queue, or of those whose names begin so, with * at its end; repeatable"},
    )
    type = Texts(
        FILTERS_MAX, 20, allow_none=False, metadata={"description": "of this type; repeatable. None: of all types"}
    )
    after = Cursor(
        metadata={
            "description": "the id of an event, after which to begin; `start`: the oldest kept. None: from now on"
        }
    )
    include = fields.String(
        validate=validate.OneOf(["name"], error="must be name"),
        metadata={"description": "`name`: also the names of the jobs"},
    )


class PageQuerySchema(EventsQuerySchema):
    """Which events are requested, and how many."""

    limit = WholeText(1, PAGE_MAX, load_default=100)


class EventSchema(Schema):
    """An event."""

    eventId = fields.Integer(required=True)
    type = fields.String(required=True)
    queue = fields.String()
    id = fields.String(metadata={"description": "The id of the job; absent for an event of a queue."})
    at = fields.Integer(required=True, metadata={"description": "ms since the epoch"})
    attempt = fields.Integer()
    delay = fields.Integer()
    reason = fields.String()
    worker = fields.String()
    name = fields.String()
    first = fields.Integer(data_key="from", metadata={"description": "Of a gap: the first event that is missing."})
    to = fields.Integer(metadata={"description": "Of a gap: the last event that is missing."})
    cursor = fields.Integer(metadata={"description": "Of a reset: the event after which to go on."})


class EventsSchema(Schema):
    """Some events in their order, and after which event the next page begins."""

    events = fields.List(fields.Nested(EventSchema), required=True)
    next = fields.Integer(required=True)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events a client wants: of queues, by name or beginning, of types; of one job if `job_id` is given."""

    queues: tuple[str, ...] = ()
    types: frozenset[EventType] = frozenset()
    after: int | None = None
    is_from_start: bool = False
    has_names: bool = False
    limit: int = 0
    queue: str | None = None
    job_id: str | None = None

    def covers(self, queue: str) -> bool:
        """Whether a queue is one of those that are wanted."""
        if self.queue is not None:
            return queue == self.queue
        return not self.queues or any(_matches(queue, each) for each in self.queues)

    def choose(self, run: TitledRun, is_in: Callable[[str], bool]) -> TitledRun | None:
        """Return what is sent of a run, without a look at each event; None if nothing is."""
        if run.run.type in events.OF_MISSING:
            return run if not run.run.note.queue or is_in(run.run.note.queue) else None
        if not is_in(run.run.note.queue):
            return None
        found = run if self.job_id is None else run.of_job(self.job_id)
        return found if found and any(map(self._is_of_type, found.types)) else None

    def wants(self, one: TitledEvent, is_in: Callable[[str], bool]) -> bool:
        """Whether an event is sent. `is_in`: whether a queue is covered, and may be seen."""
        event = one.event
        if event.type in events.OF_MISSING:
            return not event.queue or is_in(event.queue)
        if not self._is_of_type(event.type) or not is_in(event.queue):
            return False
        return self.job_id is None or (one.title is not None and one.title.job_id == self.job_id)

    def _is_of_type(self, event_type: EventType) -> bool:
        """Whether events of a type are sent: those of one job in its own stream alone."""
        if self.job_id is None and event_type in events.OF_ONE_JOB:
            return False
        return not self.types or event_type in self.types


def _matches(queue: str, pattern: str) -> bool:
    return queue.startswith(pattern[:-1]) if pattern.endswith("*") else queue == pattern


_schema, _page_schema = EventsQuerySchema(), PageQuerySchema()


def load(request: Request, *, queue: str | None = None, job_id: str | None = None, is_page: bool = False) -> Wanted:
    """Read which events are requested. Raises InvalidRequest with all faults."""
    given = page.parameters(request.query_string)
    schema = _page_schema if is_page else _schema
    if twice := [name for name in schema.fields if name not in _REPEATABLE and len(given.getlist(name)) > 1]:
        raise InvalidRequest(*(Fault(name, "must not be given twice") for name in twice))
    lists = {name: given.getlist(name) for name in _REPEATABLE if name in given}
    last = request.headers.get(LAST_EVENT_ID) if not is_page else None
    loaded = new_job.loaded(schema, given.to_dict() | ({"after": last} if last else {}) | lists)
    types = loaded.get("type", [])
    if unknown := [word for word in types if word not in {*EventType}]:
        raise InvalidRequest(Fault("type", f"must be of {', '.join(EventType)}, not {unknown[0][:100]!r}"))
    return Wanted(
        queues=tuple(loaded.get("queue", ())),
        types=frozenset(map(EventType, types)),
        after=loaded.get("after"),
        is_from_start="after" in loaded and loaded["after"] is None,
        has_names="include" in loaded,
        limit=loaded.get("limit", 0),
        queue=queue,
        job_id=job_id,
    )


def members(one: TitledEvent, *, has_names: bool, sees_payload: bool, shown: Shown | None = None) -> dict[str, Any]:
    """Return the JSON of an event; without the right to payloads no reason, progress object or log line."""
    event, title = one.event, one.title
    said: dict[str, Any] = {
        "type": event.type.value,
        "queue": event.queue or None,
        "id": title and title.job_id,
        "at": event.at_ms,
        "attempt": event.attempt,
        "delay": event.delay_ms,
        "reason": event.reason if sees_payload else None,
        "worker": event.worker,
        "name": title.name if title and has_names else None,
    }
    if event.type is EventType.GAP:
        said |= {"from": event.first_id, "to": event.id}
    if event.type is EventType.RESET:
        said["cursor"] = event.id
    if shown and event.type is EventType.PROGRESS and shown.progress is not None:
        is_seen = sees_payload or shown.progress.lstrip("-")[:1].isdigit()
        said["progress"] = answers.Text(shown.progress) if is_seen else None
    if shown and event.line_number is not None and sees_payload:
        said["line"] = shown.lines.get(event.line_number)
    return {name: value for name, value in said.items() if value is not None}
