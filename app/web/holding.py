"""What the answer to a request holds of the room that there is for answers: from before it is read until it is sent."""

from http import HTTPStatus

from flask import Request, Response

from app.domain.errors import NoRoom
from app.infra.room import SMALL, Held, Room
from app.infra.settings import Settings
from app.web import problems

HELD = "rowline.held"
"""Where a request has what its answer holds."""


def room(settings: Settings) -> Room:
    """Make the room of one process: what a node has, shared among its processes."""
    return Room(
        settings.max_answers_bytes // settings.api_processes,
        per_answer=settings.max_answer_bytes,
        claims=settings.api_connections,
        wait_s=settings.pool_wait_ms / 1000,
    )


def of(asked: Request, room: Room) -> Held:
    """Return what the answer to a request holds, from now on if it had nothing."""
    held: Held | None = asked.environ.get(HELD)
    if held is None:
        held = asked.environ[HELD] = Held(room)
    return held


def settle(asked: Request, response: Response, room: Room) -> Response:
    """Have an answer that is made hold what it is long, until it is sent or its client has left.

    One that is read only, and for which nothing was had before, is refused where there is no room.
    """
    length = response.content_length or 0
    held: Held | None = asked.environ.get(HELD)
    if length <= SMALL or asked.method == "HEAD":
        if held is not None and held.size:
            held.become(0)
        return response
    held = held or of(asked, room)
    if not held.size and asked.method == "GET" and response.status_code == HTTPStatus.OK and not held.take(length):
        return problems.of(NoRoom()).answer()
    held.become(length)
    response.call_on_close(lambda: held.become(0))
    return response
