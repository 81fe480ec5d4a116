"""What happens before and after every request, of the API and of the dashboard."""

import re
import time

from flask import Request, Response

from app.domain.errors import Fault, InvalidRequest
from app.domain.tokens import masked
from app.infra import log
from app.infra.metrics import ProcessMetrics
from app.web.auth import INSIDE

_STARTED = "rowline.started"
"""The key of the WSGI environment with the start of the request, in seconds of `time.perf_counter`."""
_LINK = "/dashboard/login/"
"""What stands before the code of a link that signs in."""
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def begin(asked: Request) -> None:
    """Note when a request begins, and its id. Raises InvalidRequest without a Host."""
    environ = asked.environ
    if INSIDE in environ:
        return
    environ[_STARTED] = time.perf_counter()
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    log.request_id.set(sent if _SANE_REQUEST_ID.fullmatch(sent) else log.new_request_id())
    if "HTTP_HOST" not in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
        raise InvalidRequest(Fault("Host", "is required by HTTP/1.1"))


def spent_s(asked: Request) -> float:
    """Return how long ago a request began, in seconds."""
    started: float = asked.environ[_STARTED]
    return time.perf_counter() - started


def _shown(path: str, *, is_known: bool) -> str:
    """Return a path for the log, without the code of a link to the dashboard, or a token that somebody put into it."""
    at = path.lower().find("login") if path.startswith(_LINK) or not is_known else -1
    return f"{path[:at][:500]}login***" if at >= 0 else masked(path)[:500]


def end(asked: Request, response: Response, process: ProcessMetrics) -> Response:
    """Add what every response has; count and log it, but for one of a request that is made inside the process."""
    if INSIDE in asked.environ:  # such as one of a stream, whose own request has been logged long ago
        return response
    request_id = log.request_id.get()
    assert request_id is not None
    headers = response.headers
    headers.add("X-Request-Id", request_id)
    headers.add("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")  # for responses of Flask itself, such as OPTIONS
    took_s = time.perf_counter() - asked.environ[_STARTED]  # not by a call: each request would pay for it
    rule = asked.url_rule
    process.note_request(None if rule is None else rule.rule, asked.method, response.status_code, took_s)
    members = {
        "method": asked.method,
        "path": _shown(
            asked.environ["PATH_INFO"], is_known=rule is not None
        ),  # without query and origin, which may contain tokens too
        "status": response.status_code,
        "ms": round(took_s * 1000, 3),
    }
    log.write("request", members)
    log.request_id.set(None)
    return response
