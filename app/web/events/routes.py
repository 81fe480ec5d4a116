"""Events: streams of what happens to jobs, and pages of it for those who poll."""

from flask import Blueprint, Request, Response, request

from app.domain.errors import EventsOff, InvalidRequest, OverQuota
from app.domain.tokens import Action, Caller
from app.operations.eventstreams import EventStreams
from app.postgres.database import Database, DatabaseError
from app.queries import events
from app.web import answers, auth, clients, describe, names
from app.web.auth import CALLER, Tokens
from app.web.events import schemas
from app.web.events.schemas import Wanted
from app.web.events.stream import Sender

STREAM = "text/event-stream"
OUR_CLIENT = "rowline-python"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RAISES = (InvalidRequest, EventsOff, OverQuota, DatabaseError)


def blueprint(db: Database, access: Tokens, streams: EventStreams) -> Blueprint:
    """Return the routes of events."""
    routes = Blueprint("events", __name__)
    _add_streams(routes, db, access, streams)
    _add_pages(routes, db, access)
    return routes


def _add_streams(routes: Blueprint, db: Database, access: Tokens, streams: EventStreams) -> None:
    described = describe.route(
        action=Action.EVENTS, query=schemas.EventsQuerySchema, headers=("Last-Event-ID",), gives=STREAM, raises=_RAISES
    )

    @routes.get("/events")
    @described
    def stream_all() -> Response:
        """Stream what happens to the jobs of all queues that the token may see, as server-sent events."""
        return _stream(db, access, streams, _permitted(access, schemas.load(request)))

    @routes.get("/queues/<segment:queue>/events")
    @described
    def stream_queue(queue: str) -> Response:
        """Stream what happens to the jobs of a queue, as server-sent events."""
        return _stream(db, access, streams, schemas.load(request, queue=names.queue_name(queue)))

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/events")
    @described
    def stream_job(queue: str, job_id: str) -> Response:
        """Stream what happens to a job, with its progress and the lines of its log, as server-sent events."""
        wanted = schemas.load(request, queue=names.queue_name(queue), job_id=names.job_id(job_id))
        return _stream(db, access, streams, wanted)


def _stream(db: Database, access: Tokens, streams: EventStreams, wanted: Wanted) -> Response:
    _require_on(db)
    asked = auth.current_request()
    if asked.method == "HEAD":  # its body, which nobody reads, would have no end
        return Response(mimetype=STREAM, headers=_HEADERS)
    caller: Caller = asked.environ[CALLER]
    is_packed = asked.accept_encodings.best_match(("gzip", "identity")) == "gzip"
    ends = events.ends(db)
    sender = Sender(
        db,
        streams,
        wanted,
        may_see=lambda queue: caller.may(Action.EVENTS, queue),
        sees_payload=lambda queue: caller.may(Action.PAYLOAD, queue),
        may_go_on=lambda: not clients.has_left(asked) and access.is_still_valid(asked),
        rights=(caller.id, caller.scopes),
        tells_cursor=_takes_ids_alone(asked),
        is_packed=is_packed,
    )
    streams.enter(caller.id, most=caller.limits.streams)
    headers = _HEADERS | ({"Content-Encoding": "gzip"} if is_packed else {})
    response = Response(sender.pieces(ends), mimetype=STREAM, headers=headers)
    response.call_on_close(lambda: streams.leave(caller.id))
    return response


def _takes_ids_alone(asked: Request) -> bool:
    """Whether the client takes an id without an event, as the standard has it. Our own did not up to revision 0036."""
    return asked.headers.get("User-Agent") != OUR_CLIENT or STREAM in asked.headers.get("Accept", "")


def _permitted(access: Tokens, wanted: Wanted) -> Wanted:
    """Return what is wanted. Raises Forbidden if a queue is named that the token may not see."""
    for queue in wanted.queues:
        if not queue.endswith("*"):
            access.require(request, Action.EVENTS, queue)
    return wanted


def _add_pages(routes: Blueprint, db: Database, access: Tokens) -> None:
    described = describe.route(
        action=Action.EVENTS,
        query=schemas.PageQuerySchema,
        gives=schemas.EventsSchema(),
        raises=(InvalidRequest, EventsOff, DatabaseError),
    )

    @routes.get("/events/page")
    @described
    def page_all() -> Response:
        """List events of all queues that the token may see, after one, in their order."""
        return _page(db, _permitted(access, schemas.load(request, is_page=True)))

    @routes.get("/queues/<segment:queue>/events/page")
    @described
    def page_queue(queue: str) -> Response:
        """List events of a queue, after one, in their order."""
        return _page(db, schemas.load(request, queue=names.queue_name(queue), is_page=True))


def _page(db: Database, wanted: Wanted) -> Response:
    """Answer with events after the cursor: from now on, none, and the cursor to begin with."""
    _require_on(db)
    caller: Caller = request.environ[CALLER]

    def is_in(queue: str) -> bool:
        return wanted.covers(queue) and caller.may(Action.EVENTS, queue)

    ends = events.ends(db)
    after = ends.oldest - 1 if wanted.is_from_start else ends.newest if wanted.after is None else wanted.after
    found = events.page(db, after=after, queue=wanted.queue, most=wanted.limit, has_names=wanted.has_names)
    mine = [one for one in found.events if wanted.wants(one, is_in)]
    cut, said = mine[: wanted.limit], []
    for one in cut:
        sees_payload = caller.may(Action.PAYLOAD, one.event.queue)
        members = schemas.members(one, has_names=wanted.has_names, sees_payload=sees_payload)
        said.append({"eventId": one.event.id} | members)
    return answers.json({"events": said, "next": cut[-1].event.id if len(cut) < len(mine) else found.cursor})


def _require_on(db: Database) -> None:
    if not db.tells:
        raise EventsOff("this service tells no events: it runs with ROWLINE_EVENTS=off")
