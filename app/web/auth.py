"""Authentication: API tokens from the settings, and tokens of attempts."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Request

from app.domain import ids
from app.domain.errors import Unauthorized

TOKEN_DIGEST = "rowline.token-digest"  # noqa: S105 - no secret
"""The key of the WSGI environment with the digest that `Tokens.check` returned."""


ATTEMPTS_REMEMBERED = 10_000


class Tokens:
    """The valid API tokens. They are compared in constant time, by digest, so that not even their lengths leak."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Accept `tokens`."""
        self._digests = [_digest(token.encode()) for token in tokens]
        self._shown: OrderedDict[str, None] = OrderedDict()
        """Authorization headers with valid tokens of attempts, the most recently used last (an LRU cache).

        In lower case: who writes one token in many ways must not push others out.
        """

    def check(self, environ: Mapping[str, Any]) -> bytes:
        """Require a valid API token; return its SHA-256. Raises Unauthorized."""
        digest = self._known(environ.get("HTTP_AUTHORIZATION", ""))
        if digest is None:
            raise Unauthorized("a valid token is required: Authorization: Bearer <token>")
        return digest

    def knows(self, environ: Mapping[str, Any]) -> bool:
        """Return whether a request has a valid API token."""
        return self._known(environ.get("HTTP_AUTHORIZATION", "")) is not None

    def remember(self, authorization: str) -> None:
        """Remember a header with a valid token of an attempt, for `let_in`."""
        shown = authorization.lower()
        self._shown[shown] = None
        self._shown.move_to_end(shown)
        if len(self._shown) > ATTEMPTS_REMEMBERED:
            self._shown.popitem(last=False)

    def let_in(self, authorization: str) -> bool:
        """Return whether a request with this header is handled without throttling. Its route authorizes it later."""
        return authorization.lower() in self._shown or self._known(authorization) is not None

    def _known(self, authorization: str) -> bytes | None:
        scheme, _, shown = authorization.partition(" ")
        digest = _digest(shown.encode("latin-1", "replace"))
        known = [
            hmac.compare_digest(digest, other) for other in self._digests
        ]  # all of them, so that the time does not depend on which one matches
        return digest if scheme.lower() == "bearer" and any(known) else None


def attempt_token(request: Request) -> str:
    """Return the attempt's token of a request, not yet checked against the database.

    Raises Unauthorized if there is none, or if it does not have the form of one.
    """
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    token = ids.lease_token(shown)
    if scheme.lower() != "bearer" or token == ids.NO_TOKEN:
        raise Unauthorized("the token of the running attempt is required: Authorization: Bearer <token>")
    return token


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
