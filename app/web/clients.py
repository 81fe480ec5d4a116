"""Slow clients: how long we wait for a body, and for somebody to take an answer."""

import select
import socket
import time
from collections.abc import Mapping
from typing import Any

import gevent
from flask import Request

from app.domain.errors import Fault, SlowBody

BYTES_A_S = 64 * 1024
"""Who is slower than this is given up, `client_s` later."""
PIECE = 64 * 1024
CHUNKED_PIECE = 2 * 1024  # it may have come as so many chunks of one byte, which take up to 8 us each


def read(environ: Mapping[str, Any], *, length: int | None, limit: int, client_s: float) -> bytes:
    """Read the body, up to `limit` + 1 bytes; less than the `length` it was promised to have only if the client left.

    Raises SlowBody, and what gunicorn raises for bad chunks.
    """
    stream = environ["wsgi.input"]
    if connection := environ.get("gunicorn.socket"):
        connection.settimeout(None)  # what bounded the answer before on this connection
    size = CHUNKED_PIECE if length is None else PIECE
    missing = limit + 1 if length is None else min(length, limit + 1)
    pieces: list[bytes] = []
    ends_at = time.monotonic() + client_s
    while missing:
        piece = _piece(stream, min(missing, size), ends_at - time.monotonic())
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
        ends_at += len(piece) / BYTES_A_S
        if missing:
            gevent.sleep(0)  # a body that comes as fast as it is read holds nobody up
    return b"".join(pieces)


def _piece(stream: Any, size: int, within_s: float) -> bytes:
    # The error passes through gunicorn's reader, which so learns that the connection cannot be used again. It has no
    # name here: this frame, which its traceback holds, would hold it, and what was read until a full collection.
    with gevent.Timeout(max(within_s, 0.001), SlowBody(Fault("body", "did not come in time"))):
        return bytes(stream.read(size))


def vouch(environ: Mapping[str, Any]) -> None:
    """Note that who asks has shown a token that is good."""
    if connection := environ.get("gunicorn.socket"):
        connection.is_known = True


def has_left(request: Request) -> bool:
    """Tell whether the client has closed the connection, or said that it sends no more. Waits for nothing."""
    connection = request.environ.get("gunicorn.socket")
    if connection is None:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def bound_answer(request: Request, length: int, *, client_s: float) -> None:
    """Give the client an end until which it must have taken an answer of so many bytes; the worker then closes."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        # A second more than the wait for the next request, whose end is a silent one.
        connection.settimeout(client_s + 1 + length / BYTES_A_S)
