"""Names in paths. Routing and reading work on the raw path, so that no two spellings of a name can meet or part."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.routing import BaseConverter

from app.domain import ids
from app.domain.errors import Fault, InvalidRequest

_ORIGIN = re.compile(r"\Ahttps?://[^/?#\\]+(?=[/?]|\Z)", re.IGNORECASE)
"""What stands before the path where a client asks as if we were a proxy, which HTTP/1.1 lets it."""
_NOWHERE = "/%2F"
"""Is before what is no path of ours, so that no route fits: werkzeug takes `//x`, and `x`, for `/x`."""


class RawPath:
    """WSGI middleware that routes on the path as it was sent: `a%2Fb` is one segment, not two."""

    def __init__(self, application: Any) -> None:
        """Wrap `application`."""
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Put the undecoded path where Flask looks for a decoded one."""
        if raw := environ.get("RAW_URI"):
            path = _ORIGIN.sub("", raw).split("?", 1)[0]
            environ["PATH_INFO"] = path if path[:1] == "/" and path[1:2] != "/" else _NOWHERE + path
        return self._application(environ, start_response)


class Segment(BaseConverter):
    """One segment of the raw path, still percent-encoded; `queue_name` and `job_id` read it."""

    part_isolating = True
    regex = "[^/]*"


def queue_name(segment: str) -> str:
    """Decode and check a queue's name. Raises InvalidRequest."""
    return _decoded(segment, what="queue name", max_length=ids.QUEUE_NAME_MAX)


def job_id(segment: str) -> str:
    """Decode and check a job's id. Raises InvalidRequest."""
    return _decoded(segment, what="job id", max_length=ids.JOB_ID_MAX)


def _decoded(segment: str, *, what: str, max_length: int) -> str:
    try:
        name = unquote_to_bytes(segment.encode("ascii")).decode()
    except UnicodeError:
        raise InvalidRequest(Fault(what, "must be percent-encoded UTF-8")) from None
    if fault := ids.name_fault(name, max_length=max_length):
        raise InvalidRequest(Fault(what, fault))
    return name
