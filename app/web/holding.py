"""The memory that responses reserve of their common limit: from before the jobs are read until the bytes are sent."""

from http import HTTPStatus

from flask import Request, Response

from app.domain.errors import NoRoom
from app.infra.room import SMALL, Reservation, Room
from app.infra.settings import Settings
from app.web import answers, problems

HELD = "rowline.held"
"""The key of the WSGI environment with the reservation of the response."""


def room(settings: Settings) -> Room:
    """Make the limit of one process: that of the node, divided by its processes."""
    return Room(
        settings.max_answers_bytes // settings.api_processes,
        per_answer=settings.max_answer_bytes,
        claims=settings.api_connections,
        wait_s=settings.pool_wait_ms / 1000,
    )


def of(asked: Request, room: Room) -> Reservation:
    """Return the reservation of the response to a request; make an empty one if there is none."""
    held: Reservation | None = asked.environ.get(HELD)
    if held is None:
        held = asked.environ[HELD] = Reservation(room)
    return held


def settle(asked: Request, response: Response, length: int, room: Room) -> tuple[Response, int]:
    """Set the reservation of a finished response to its length, until it is sent or the client has disconnected.

    A GET that had reserved nothing before gets 503 (`no_room`) instead, if the memory is used up. Returns the response
    to send, and its length in bytes.
    """
    held: Reservation | None = asked.environ.get(HELD)
    if length <= SMALL or asked.method == "HEAD":
        if held is not None and held.size:
            held.become(0)
        return response, length
    held = held or of(asked, room)
    if not held.size and asked.method == "GET" and response.status_code == HTTPStatus.OK and not held.take(length):
        full = problems.of(NoRoom()).answer()
        return full, answers.length(full)
    held.become(length)
    response.call_on_close(lambda: held.become(0))
    return response, length
