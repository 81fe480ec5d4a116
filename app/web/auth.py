"""Authentication and authorization: API tokens of the database and of the settings, and tokens of attempts."""

import hmac
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from typing import Any

from flask import Request, request

from app.domain import ids, tokens
from app.domain.audit import Act, Actor, ActOutcome
from app.domain.errors import Forbidden, OverQuota, Unauthorized
from app.domain.sessions import Shown
from app.domain.tokens import ALL, Action, Caller, Scope
from app.infra import log
from app.infra.settings import Settings
from app.operations import audit
from app.postgres.database import Database, DatabaseError
from app.queries.tokens import Callers
from app.web import clients, throttling

_log = logging.getLogger(__name__)

CALLER = "rowline.caller"
"""The key of the WSGI environment with the `Caller` that `Tokens.check` returned."""
INSIDE = "rowline.inside"
"""The key of the WSGI environment with the `Shown` of a request that the dashboard makes in the same process, in place
of an Authorization header. What comes over the network can set no key of this form."""
ATTEMPTS_REMEMBERED = 10_000
WRONG_MAX, WRONG_S = 20, 60.0
"""So many wrong tokens of an address are answered with 401 within so many seconds, by each API process."""
REFUSED_MAX, REFUSED_S = 10, 60.0
"""So many refusals of a token enter the audit within so many seconds, by each API process."""
_REFUSED_ON = "rowline.refused-on"
"""The key of the WSGI environment with the queue on which the caller was refused an action."""
_LACKED = "rowline.lacked"
"""The key of the scope that the caller lacked for it."""
_REQUIRED = "a valid token is required: Authorization: Bearer <token>"


class Recently:
    """Counts what happened within the last `per_s` seconds, up to `limit` times for each key, for the latest keys."""

    def __init__(self, limit: int, per_s: float, *, keys: int = 10_000) -> None:
        """Start empty."""
        self._limit, self._per_s, self._keys = limit, per_s, keys
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait_s(self, key: Hashable) -> float:
        """Return for how many seconds there will be `limit` of a key; 0 if there are fewer."""
        times = self._times.get(key)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + self._per_s - time.monotonic())

    def note(self, key: Hashable) -> None:
        """Count one."""
        times = self._times.setdefault(key, deque(maxlen=self._limit))
        times.append(time.monotonic())
        self._times.move_to_end(key)
        if len(self._times) > self._keys:
            self._times.popitem(last=False)


class Tokens:
    """The valid API tokens. They are compared in constant time, by digest, so that not even their lengths leak."""

    def __init__(self, settings: Settings, db: Database, *, account: str | None = None) -> None:
        """Accept the tokens of the settings, and those in the database.

        `account`: the id of an actor, if the tokens of the settings are those of an account of this machine.
        """
        self._db, self._proxies = db, settings.trusted_proxies
        self._given = [
            (tokens.digest(token.encode()), _of_settings(account or f"env:{nth}", token))
            for nth, token in enumerate(settings.tokens, 1)
        ]
        self._callers = Callers(db, wait_ms=settings.pool_wait_ms)
        self._wrong, self._refused = Recently(WRONG_MAX, WRONG_S), Recently(REFUSED_MAX, REFUSED_S)
        self._attempts: OrderedDict[str, None] = OrderedDict()
        """Authorization headers with valid tokens of attempts, the most recently used last (an LRU cache).

        In lower case: who writes one token in many ways must not push others out.
        """

    def check(self, environ: Mapping[str, Any]) -> Caller:
        """Require a valid API token; return who shows it. Raises Unauthorized, OverQuota, DatabaseError."""
        if INSIDE in environ:
            return self._require(self.who(environ[INSIDE]))
        scheme, _, shown = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        digest = _digest(shown)
        caller = self._of_settings(digest)
        is_bearer = scheme.lower() == "bearer"
        if is_bearer and (caller := caller or self._looked_up(shown, digest)):
            return caller
        clients.disown(environ)
        clients.step_aside(environ)
        if not is_bearer:
            raise Unauthorized(_REQUIRED)
        address = throttling.client_key(clients.address(environ, self._proxies))
        if (wait_s := self._wrong.wait_s(address)) > 0:
            raise OverQuota("this address sent too many wrong tokens: wait", retry_after_s=wait_s)
        self._wrong.note(address)
        raise Unauthorized(_REQUIRED)

    def who(self, shown: Shown) -> Caller | None:
        """Return who showed a token before, None if it is not valid any more. Raises DatabaseError."""
        if (caller := self._of_settings(shown.digest)) or not shown.token_id:
            return caller
        seen = self._callers.seen(shown.token_id, shown.digest)
        return seen or self._callers.find(shown.token_id, shown.digest)

    @property
    def own(self) -> Shown:
        """The first token of the settings, with which a link of this machine signs in."""
        return Shown("", self._given[0][0])

    def knows(self, environ: Mapping[str, Any]) -> bool:
        """Return whether a request has a valid API token that this process remembers. Of others it asks nobody."""
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if not self._is_known(authorization):
            return False
        shown = authorization.partition(" ")[2]
        digest = _digest(shown)
        try:
            return (self._of_settings(digest) or self._looked_up(shown, digest)) is not None
        except DatabaseError:
            return False

    def remember(self, authorization: str) -> None:
        """Remember a header with a valid token of an attempt, for `let_in`."""
        shown = authorization.lower()
        self._attempts[shown] = None
        self._attempts.move_to_end(shown)
        if len(self._attempts) > ATTEMPTS_REMEMBERED:
            self._attempts.popitem(last=False)

    def let_in(self, authorization: str) -> bool:
        """Return whether a request with this header is handled without throttling. Its route authorizes it later."""
        return authorization.lower() in self._attempts or self._is_known(authorization)

    def require(self, request: Request, action: Action, queue: str | None) -> None:
        """Require that the caller may do `action` on `queue`. Raises Forbidden."""
        caller: Caller = request.environ[CALLER]
        if not caller.may(action, queue):
            scope = Scope(action, ALL if queue is None else queue)
            request.environ[_REFUSED_ON], request.environ[_LACKED] = queue, str(scope)
            raise Forbidden.of(scope)

    def note_refusal(self, request: Request) -> None:
        """Note in the audit that a known token was refused, some times a minute at most. Raises nothing."""
        caller: Caller = request.environ[CALLER]
        if self._refused.wait_s(caller.id) > 0:
            return
        self._refused.note(caller.id)
        queue, lacked = request.environ.get(_REFUSED_ON), request.environ.get(_LACKED)
        after = None if lacked is None else {"lacked": lacked}
        act = Act(action=str(request.endpoint), queue=queue, affected=0, after=after, outcome=ActOutcome.REFUSED)
        try:
            audit.note(self._db, actor=self.actor(request), act=act)
        except DatabaseError as error:
            _log.warning("database_trouble", extra={"cause": str(error)})

    def require_still(self, request: Request) -> None:
        """Require that the token of a request that has waited is valid still. Raises Unauthorized, DatabaseError."""
        caller: Caller = request.environ[CALLER]
        if not caller.is_stored:
            return
        if INSIDE in request.environ:
            self._require(self.who(request.environ[INSIDE]))
        else:
            shown = _shown(request)
            self._require(self._looked_up(shown, _digest(shown)))

    def is_still_valid(self, request: Request) -> bool:
        """Return whether the token of a request that waits is valid still; not if that is unknown for too long."""
        try:
            self.require_still(request)
        except (Unauthorized, DatabaseError):
            return False
        return True

    def distrust(self) -> None:
        """Ask at the next request which tokens are valid still, after one has ceased to be."""
        self._callers.distrust()

    def actor(self, request: Request) -> Actor:
        """Return who acts by this request, for the audit."""
        caller: Caller = request.environ[CALLER]
        address = clients.address(request.environ, self._proxies)
        return Actor(id=caller.id, name=caller.name or None, address=address or None, request_id=log.request_id.get())

    @staticmethod
    def _require(caller: Caller | None) -> Caller:
        if caller is None:
            raise Unauthorized(_REQUIRED)
        return caller

    def _looked_up(self, shown: str, digest: bytes) -> Caller | None:
        """Return who shows a token of the database. Raises DatabaseError."""
        caller = self._callers.seen(tokens.claimed_id(shown), digest)
        if caller is None and (token_id := tokens.id_of(shown)):
            caller = self._callers.find(token_id, digest)
        return caller

    def _of_settings(self, digest: bytes) -> Caller | None:
        known = [caller for given, caller in self._given if hmac.compare_digest(digest, given)]
        return known[0] if known else None  # all are compared: the time does not depend on which one matches

    def _is_known(self, authorization: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        digest = _digest(shown)
        known = self._of_settings(digest)
        return scheme.lower() == "bearer" and (
            known is not None or self._callers.remembers(tokens.claimed_id(shown), digest)
        )


def current_request() -> Request:
    """Return the request itself: Flask's proxy would look it up at each use."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001 - documented


def may_see(request: Request, queue: str) -> bool:
    """Whether the caller may see the contents of the jobs of `queue`."""
    caller: Caller = request.environ[CALLER]
    return caller.may(Action.PAYLOAD, queue)


def secret(request: Request) -> bytes:
    """Return the SHA-256 of the API token of a request."""
    inside: Shown | None = request.environ.get(INSIDE)
    return inside.digest if inside else _digest(_shown(request))


def shown(text: str) -> Shown:
    """Return what is known of a token that was typed, as of one in a header."""
    return Shown(tokens.claimed_id(text), tokens.digest(text.encode("utf-8", "replace")))


def attempt_token(request: Request) -> str:
    """Return the attempt's token of a request, not yet checked against the database.

    Raises Unauthorized if there is none, or if it does not have the form of one.
    """
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    token = ids.lease_token(shown)
    if scheme.lower() != "bearer" or token == ids.NO_TOKEN:
        raise Unauthorized("the token of the running attempt is required: Authorization: Bearer <token>")
    return token


def _of_settings(caller_id: str, token: str) -> Caller:
    """Return the caller of a token of AUTH_TOKENS. Its idempotency keys are kept by the token itself."""
    return Caller(id=caller_id, name="", scopes=(Scope(ALL),), key_digest=tokens.digest(token.encode()))


def _shown(request: Request) -> str:
    return str(request.environ["HTTP_AUTHORIZATION"]).partition(" ")[2]


def _digest(shown: str) -> bytes:
    return tokens.digest(shown.encode("latin-1", "replace"))
