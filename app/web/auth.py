"""Who may ask: API tokens from the environment."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Request

from app.domain import ids
from app.domain.errors import Unauthorized

TOKEN_DIGEST = "rowline.token-digest"  # noqa: S105 - no secret
"""Where the environment of a request has what `Tokens.check` gave."""


ATTEMPTS_REMEMBERED = 10_000


class Tokens:
    """The tokens that are known, compared in constant time, by digest, so that not even their lengths show."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Know `tokens`."""
        self._digests = [_digest(token.encode()) for token in tokens]
        self._shown: OrderedDict[str, None] = OrderedDict()
        """Headers with tokens of attempts that were good, the one that was shown last at the end."""

    def check(self, environ: Mapping[str, Any]) -> bytes:
        """Let a request pass that shows a known token, and return the token's SHA-256. Raises Unauthorized."""
        digest = self._known(environ.get("HTTP_AUTHORIZATION", ""))
        if digest is None:
            raise Unauthorized("a valid token is required: Authorization: Bearer <token>")
        return digest

    def knows(self, environ: Mapping[str, Any]) -> bool:
        """Say whether a request shows a known token."""
        return self._known(environ.get("HTTP_AUTHORIZATION", "")) is not None

    def remember(self, authorization: str) -> None:
        """Note a header whose token was that of an attempt: who shows it again is let in."""
        self._shown[authorization] = None
        self._shown.move_to_end(authorization)
        if len(self._shown) > ATTEMPTS_REMEMBERED:
            self._shown.popitem(last=False)

    def let_in(self, authorization: str) -> bool:
        """Say whether a request with this header is handled without a wait. What it may do is decided there."""
        return authorization in self._shown or self._known(authorization) is not None

    def _known(self, authorization: str) -> bytes | None:
        scheme, _, shown = authorization.partition(" ")
        digest = _digest(shown.encode("latin-1", "replace"))
        known = [hmac.compare_digest(digest, other) for other in self._digests]  # all of them, whichever fits
        return digest if scheme.lower() == "bearer" and any(known) else None


def attempt_token(request: Request) -> str:
    """Return the token of an attempt that a request shows; whether it is the job's, the database says.

    Raises Unauthorized where nothing is shown that could be one.
    """
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    token = ids.lease_token(shown)
    if scheme.lower() != "bearer" or token == ids.NO_TOKEN:
        raise Unauthorized("the token of the running attempt is required: Authorization: Bearer <token>")
    return token


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
