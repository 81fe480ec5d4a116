"""Reading the bodies of requests: completely, or not at all."""

import time

from flask import Request, current_app
from gunicorn.http.errors import ParseException

from app.domain.errors import Fault, SlowBody, TooLarge, UnparsableBody, UnsupportedBody
from app.infra.settings import Settings
from app.web import clients
from app.web.auth import CALLER
from app.web.worker import TOKENS

ERRORS = (UnparsableBody, UnsupportedBody, TooLarge, SlowBody)
"""What reading a body raises, besides the errors about its content."""
SHORT = 128 * 1024
"""The longest body, in bytes, of routes that take short values only."""
AT_ONCE_S = 0.5
"""A body that takes longer than so many seconds to arrive, or to be read, has the token checked again then, so that 5 s
after it was revoked none begins to do anything: when the head came, what the process knew of it was up to 4 s old."""
_BEGAN = "rowline.body-began"
"""The key of the WSGI environment with the time when reading the body began, by time.monotonic()."""


def read(request: Request, *, limit: int, client_s: float) -> bytes:
    """Read the whole body, whatever its Content-Type says. Raises UnsupportedBody, TooLarge, SlowBody, UnparsableBody.

    Raises Unauthorized and DatabaseError too if it took long: an API token must be valid when the whole body is there.
    `limit` is in bytes; `client_s` is the time allowed beyond that of the minimum rate, see `clients`.
    """
    environ, length = request.environ, request.content_length
    if environ.get("CONTENT_TYPE", "").lstrip().lower().startswith("multipart/"):
        raise UnsupportedBody(Fault("body", "must be JSON, not multipart"))
    if environ.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
        raise UnsupportedBody(Fault("body", "must not be encoded, only chunked"))
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedBody(Fault("body", "must not be encoded"))
    if (length or 0) > limit:
        raise _too_large(limit)
    environ[_BEGAN] = time.monotonic()
    try:
        raw = clients.read(environ, length=length, limit=limit, client_s=client_s)
    except (ParseException, OSError) as error:
        raise UnparsableBody(Fault("body", "ended early, or its chunks cannot be read")) from error
    if len(raw) > limit:
        raise _too_large(limit)
    if len(raw) < (length or 0):
        raise UnparsableBody(Fault("body", f"ended after {len(raw)} of {length} bytes"))
    require_still(request)
    return raw


def require_still(request: Request) -> None:
    """Require, if reading the body has taken long by now, that the API token is valid still.

    A route that parses a long body calls it before it acts: many such bodies wait for one another. Raises Unauthorized,
    DatabaseError.
    """
    environ = request.environ
    if time.monotonic() - environ[_BEGAN] > AT_ONCE_S and CALLER in environ:
        current_app.extensions[TOKENS].require_still(request)


def read_short(request: Request, settings: Settings) -> bytes:
    """Read the body of a route that takes short values only, as `read` does."""
    return read(request, limit=min(SHORT, settings.max_body_bytes), client_s=settings.client_s)


def _too_large(limit: int) -> TooLarge:
    """Make the error where it is raised: in a variable, it would keep the frame, and so the body, in memory."""
    return TooLarge(Fault("body", f"must be at most {limit} bytes"))
