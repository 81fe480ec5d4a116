"""Names in paths. Routing uses the raw path, so that `%2F` in a name is not taken for a separator."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.routing import BaseConverter

from app.domain import ids, scheduled
from app.domain.deduplication import ID_MAX
from app.domain.errors import Fault, InvalidRequest

_ORIGIN = re.compile(r"\Ahttps?://[^/?#\\]+(?=[/?]|\Z)", re.IGNORECASE)
"""The origin of a request target in absolute form, which HTTP/1.1 allows and proxies use."""
_NOWHERE = "/%2F"
"""The prefix of paths that must match no route: werkzeug would take `//x`, and `x`, for `/x`."""


class RawPath:
    """WSGI middleware that routes by the path as it was sent: `a%2Fb` is one segment, not two."""

    def __init__(self, application: Any) -> None:
        """Wrap `application`."""
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Set PATH_INFO, which Flask routes by, to the path before percent-decoding."""
        if raw := environ.get("RAW_URI"):
            path = _ORIGIN.sub("", raw).split("?", 1)[0]
            environ["PATH_INFO"] = path if path[:1] == "/" and path[1:2] != "/" else _NOWHERE + path
        return self._application(environ, start_response)


class Segment(BaseConverter):
    """One segment of the raw path, still percent-encoded; `queue_name` and `job_id` decode it."""

    part_isolating = True
    regex = "[^/]*"


def queue_name(segment: str) -> str:
    """Decode and validate the name of a queue. Raises InvalidRequest."""
    return _decoded(segment, what="queue name", max_length=ids.QUEUE_NAME_MAX)


def require_queue(name: str) -> str:
    """Require that a text from elsewhere, such as a query, is the name of a queue; return it. Raises InvalidRequest."""
    if fault := ids.name_fault(name, max_length=ids.QUEUE_NAME_MAX):
        raise InvalidRequest(Fault("queue", fault))
    return name


def job_id(segment: str) -> str:
    """Decode and validate the id of a job. Raises InvalidRequest."""
    return _decoded(segment, what="job id", max_length=ids.JOB_ID_MAX)


def token_id(segment: str) -> str:
    """Decode and validate the id of an API token. Raises InvalidRequest."""
    return _decoded(segment, what="token id", max_length=ids.JOB_ID_MAX)


def dedup_id(segment: str) -> str:
    """Decode and validate a deduplication id. Raises InvalidRequest."""
    return _decoded(segment, what="deduplication id", max_length=ID_MAX)


def schedule_id(segment: str) -> str:
    """Decode and validate the id of a schedule. Raises InvalidRequest."""
    return _decoded(segment, what="schedule id", max_length=scheduled.ID_MAX)


def plan_id(segment: str) -> str:
    """Decode the id of a plan; it may be no UUID, and then that of none. Raises InvalidRequest."""
    return _decoded(segment, what="plan id", max_length=ids.JOB_ID_MAX)


def _decoded(segment: str, *, what: str, max_length: int) -> str:
    try:
        name = unquote_to_bytes(segment.encode("ascii")).decode()
    except UnicodeError:
        raise InvalidRequest(Fault(what, "must be percent-encoded UTF-8")) from None
    if fault := ids.name_fault(name, max_length=max_length):
        raise InvalidRequest(Fault(what, fault))
    return name
