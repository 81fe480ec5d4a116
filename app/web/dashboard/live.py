"""What tells a page that something changed: the API's own stream of events, as one word a second at most."""

import json
import time
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, request

from app.web import names
from app.web.auth import current_request
from app.web.dashboard import api, shown
from app.web.dashboard.api import Answer
from app.web.dashboard.sessions import Sessions
from app.web.events.routes import STREAM

EVERY_S = 1.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HELLO = b"event: hello\n"
_EVENT, _ADDED, _LAGGED = b"event: ", b"event: added\n", b"event: lagged\n"


def blueprint(sessions: Sessions) -> Blueprint:
    """Return the stream."""
    routes = Blueprint("live", __name__)

    @routes.get("/live")
    def stream() -> Response:
        """Stream `changed` when something happened to a job, in a queue, or anywhere; `added`: so many jobs more."""
        rowline, asked, path = api.of(), current_request(), _path()

        def opened() -> Answer:
            return rowline.call("GET", path, is_stream=True)

        first = opened()
        if first.status != 200:  # noqa: PLR2004 - as HTTP has it
            first.body()
        told = _told(first, opened, lambda: sessions.visitor(asked) is not None)
        return Response(told, mimetype=STREAM, headers=_HEADERS)

    return routes


def _path() -> str:
    queue, job = request.args.get("queue"), request.args.get("job")
    if queue is None:
        return "/events"
    path = f"/queues/{shown.segment(names.queue_name(shown.segment(queue)))}"
    return f"{path}/jobs/{shown.segment(job)}/events" if job else f"{path}/events"


def _told(answer: Answer, opened: Callable[[], Answer], goes_on: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what the stream of the API says, in short. What happens within a second is one word.

    A stream that fell behind is opened again, with a word for the events that it lost meanwhile.
    """
    while True:
        has_lagged = False
        try:
            for piece in answer.pieces:
                if not goes_on():
                    return
                has_lagged = piece.startswith(_LAGGED)
                if _EVENT not in piece or _HELLO in piece:
                    yield b":\n\n"
                    continue
                yield _word(piece.count(_ADDED))
                time.sleep(EVERY_S)
        finally:
            answer.close()
        if not has_lagged:
            return
        answer = opened()
        if answer.status != 200:  # noqa: PLR2004 - as above
            answer.close()
            return
        yield _word(0)


def _word(added: int) -> bytes:
    return f"event: changed\ndata: {json.dumps({'added': added})}\n\n".encode()
