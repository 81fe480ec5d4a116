"""Slow clients: time limits for reading a body and for sending a response."""

import ipaddress
import select
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gevent
from flask import Request

from app.domain.errors import Fault, SlowBody
from app.net.addresses import Network
from app.web import reading

BYTES_A_S = 64 * 1024
"""The minimum rate of a client: a slower one is disconnected, once it is `client_s` behind."""
PIECE = 64 * 1024
CHUNKED_PIECE = 2 * 1024  # the body may consist of chunks of one byte each, which take up to 8 us per chunk


def read(environ: Mapping[str, Any], *, length: int | None, limit: int, client_s: float) -> bytes:
    """Read the body, up to `limit` + 1 bytes; fewer than `length` only if the client has disconnected.

    Raises SlowBody, and gunicorn's errors for invalid chunks.
    """
    stream = environ["wsgi.input"]
    if connection := environ.get("gunicorn.socket"):
        connection.settimeout(None)  # the limit of the previous response on this connection
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
            gevent.sleep(0)  # a body that arrives as fast as it is read must not block the other greenlets
    return b"".join(pieces)


def _piece(stream: Any, size: int, within_s: float) -> bytes:
    # The error passes through gunicorn's reader, which then marks the connection as unusable. It is not bound to a name
    # here: frame and traceback would refer to each other and keep the body in memory until a full collection.
    with reading.until(gevent.Timeout(max(within_s, 0.001), SlowBody(Fault("body", "did not come in time")))):
        return bytes(stream.read(size))


def address(environ: Mapping[str, Any], proxies: Sequence[Network]) -> str:
    """Return the address of a client: that of the connection, or, if that is of `proxies`, what they forward.

    The last of X-Forwarded-For that is no proxy counts: what stands before it, the client can have sent itself.
    """
    found = str(environ.get("REMOTE_ADDR") or "")
    if not proxies:
        return found
    hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    while hops and _is_within(found, proxies) and _is_address(hops[-1]):
        found = hops.pop().partition("%")[0]  # a zone of IPv6 is any text, and says nothing on another machine
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(text: str, networks: Sequence[Network]) -> bool:
    if not _is_address(text):
        return False
    found = ipaddress.ip_address(text)
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in networks)


def vouch(environ: Mapping[str, Any]) -> None:
    """Mark the client of this request as authenticated."""
    if connection := environ.get("gunicorn.socket"):
        connection.is_known = True


def disown(environ: Mapping[str, Any]) -> None:
    """Mark the client of this request as a stranger, whatever it showed before on the same connection."""
    if connection := environ.get("gunicorn.socket"):
        connection.is_refused = True


def step_aside(environ: Mapping[str, Any]) -> None:
    """Let everybody else who is ready run first, if this request is one of a stranger."""
    if connection := environ.get("gunicorn.socket"):
        connection.step_aside()


def has_left(request: Request) -> bool:
    """Return whether the client has closed the connection, or its sending side. Does not block."""
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
    """Set the time limit for sending a response of `length` bytes; the gunicorn worker closes the connection then.

    A stranger lets everybody else who is ready run first.
    """
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.step_aside()
        # A second more than the keep-alive timeout, which closes the connection without a log line.
        connection.settimeout(client_s + 1 + length / BYTES_A_S)
