"""Headers that mean something to us."""

from flask import Request

from app.domain import keys
from app.domain.errors import Fault, InvalidRequest

IDEMPOTENCY_KEY = "Idempotency-Key"


def idempotency_key(request: Request) -> str | None:
    """Return the key that the request names, if it names one. Raises InvalidRequest."""
    header = request.headers.get(IDEMPOTENCY_KEY)
    try:
        return None if header is None else keys.read(header)
    except ValueError as error:
        raise InvalidRequest(Fault(IDEMPOTENCY_KEY, str(error))) from None
