"""The headers of requests that add jobs: Idempotency-Key, Idempotency-Replayed, traceparent, tracestate."""

from flask import Request

from app.domain import keys, telemetry
from app.domain.errors import Fault, InvalidRequest

IDEMPOTENCY_KEY = "Idempotency-Key"


def idempotency_key(request: Request) -> str | None:
    """Return the idempotency key of the request, if it has one. Raises InvalidRequest."""
    header = request.headers.get(IDEMPOTENCY_KEY)
    try:
        return None if header is None else keys.read(header)
    except ValueError as error:
        raise InvalidRequest(Fault(IDEMPOTENCY_KEY, str(error))) from None


def trace(request: Request) -> str | None:
    """Return the trace of the request, as jobs have it; None if it names none."""
    environ = request.environ
    parent = environ.get("HTTP_TRACEPARENT")
    return parent and telemetry.metadata(traceparent=parent, tracestate=environ.get("HTTP_TRACESTATE", ""))


def replayed(is_replay: bool) -> dict[str, str]:  # noqa: FBT001 - it is what the header says
    """Return the header that marks a stored response; none for a first response."""
    return {"Idempotency-Replayed": "true"} if is_replay else {}
