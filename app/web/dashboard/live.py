"""What tells a page that something changed: the API's own stream of events, as one word a second at most.

Where many pages are open each hears less often: `pace.py`.
"""

import json
import time
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, request

from app.web import names
from app.web.auth import current_request
from app.web.dashboard import api, shown
from app.web.dashboard.api import Answer
from app.web.dashboard.pace import EVERY_S, Pace
from app.web.dashboard.sessions import Sessions
from app.web.events.routes import STREAM

LOOK_S = 4.0
"""How long it may take to see that the session has ended."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HELLO = b"event: hello\n"
_EVENT, _ADDED, _LAGGED = b"event: ", b"event: added\n", b"event: lagged\n"


def blueprint(sessions: Sessions, pace: Pace) -> Blueprint:
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
        told = _told(first, opened, lambda: sessions.visitor(asked) is not None, pace)
        return Response(told, mimetype=STREAM, headers=_HEADERS)

    return routes


def _path() -> str:
    queue, job = request.args.get("queue"), request.args.get("job")
    if queue is None:
        return "/events"
    path = f"/queues/{shown.segment(names.queue_name(shown.segment(queue)))}"
    return f"{path}/jobs/{shown.segment(job)}/events" if job else f"{path}/events"


def _told(answer: Answer, opened: Callable[[], Answer], goes_on: Callable[[], bool], pace: Pace) -> Iterator[bytes]:
    """Yield what the stream of the API says, in short. What happens within a pause is one word.

    A stream that fell behind is opened again, with a word for the events that it lost meanwhile. So is one of many: its
    pause is long, and what it would hear meanwhile costs more than to open it again.
    """
    with pace.page() as number:
        said_at = float("-inf")
        while True:
            has_ended, wait_s = True, 0.0
            try:
                for piece in answer.pieces:
                    if not goes_on():
                        return
                    if _EVENT not in piece or _HELLO in piece:
                        yield b":\n\n"
                        continue
                    has_ended = not piece.startswith(_LAGGED)
                    pause_s = pace.pause_s(number)
                    if pause_s > EVERY_S:
                        has_ended, rest_s = False, said_at + pause_s - time.monotonic()
                        wait_s = rest_s if rest_s > 0 else pace.lag_s(number)
                        break
                    said_at = time.monotonic()
                    yield _word(piece.count(_ADDED), pause_s)
                    time.sleep(pause_s)
            finally:
                answer.close()
            if has_ended or not rests(wait_s, goes_on):
                return
            answer = opened()
            if answer.status != 200:  # noqa: PLR2004 - as above
                answer.close()
                return
            said_at = time.monotonic()
            yield _word(0, pace.pause_s(number))


def rests(pause_s: float, goes_on: Callable[[], bool]) -> bool:
    """Wait; return whether the session goes on after a long pause."""
    while pause_s > LOOK_S:
        time.sleep(LOOK_S)
        pause_s -= LOOK_S
        if not goes_on():
            return False
    time.sleep(pause_s)
    return True


def _word(added: int, pause_s: float) -> bytes:
    """Return how many jobs came, and for how long there is no other word."""
    data = json.dumps({"added": added, "pauseMs": round(pause_s * 1000)})
    return f"event: changed\ndata: {data}\n\n".encode()
