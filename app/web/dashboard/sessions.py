"""Who is signed in: a cookie stands for the token that was typed, for as long as that token is valid."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request, Response

from app.domain.errors import Fault, Forbidden, InvalidRequest
from app.domain.sessions import LONGEST_S, Session, Shown
from app.domain.tokens import Action, Caller, Scope
from app.infra import callers
from app.infra.semaphore import FairSemaphore
from app.infra.settings import Settings
from app.operations import sessions as operations
from app.postgres.database import Database, DatabaseError
from app.queries import sessions as queries
from app.web import auth, clients
from app.web.auth import CALLER, Tokens
from app.web.dashboard import cookies

VISITOR = "rowline.visitor"
"""The key of the WSGI environment with the `Visitor`, or None."""
SECURE, PLAIN = "__Host-rowline", "rowline"
"""The names of the cookie: over https, and on this machine, where there may be none."""
_COOKIE_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is signed in: the secret of the cookie, the token that was shown, and what it allows."""

    secret: str
    shown: Shown
    caller: Caller


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, settings: Settings, db: Database, access: Tokens) -> None:
        """Keep sessions in `db`; `access` says whose token is valid."""
        self._settings, self._db, self._access = settings, db, access
        self._semaphore = FairSemaphore(1)
        """Cookies are looked up one at a time: who makes some up has one connection to the database."""

    def visitor(self, asked: Request) -> Visitor | None:
        """Return whose session a request belongs to, if it is valid still. Raises DatabaseError."""
        secret = _cookie(asked)
        if not secret or len(secret) > _COOKIE_MAX:
            return None
        with callers.nobody():
            found = self._found(secret)
            caller = self._access.who(found.shown) if found else None
            if found is None or caller is None or not caller.may(Action.DASHBOARD, None):
                return None
            if found.is_to_touch:
                operations.touch(self._db, secret=secret)
        return Visitor(secret=secret, shown=found.shown, caller=caller)

    def _found(self, secret: str) -> Session | None:
        if not self._semaphore.take(timeout_s=self._settings.pool_wait_ms / 1000):
            raise DatabaseError("too many requests show cookies")
        try:
            return queries.find(self._db, secret=secret)
        finally:
            self._semaphore.give()

    def sign_in(self, asked: Request, token: str) -> str:
        """Begin a session by a token; return its secret.

        Raises Unauthorized, OverQuota after too many wrong ones, Forbidden without the scope, DatabaseError.
        """
        environ = asked.environ
        sent = token.encode("utf-8", "replace").decode("latin-1")  # as a header holds it
        caller = environ[CALLER] = self._access.check(environ | {"HTTP_AUTHORIZATION": f"Bearer {sent}"})
        if not caller.may(Action.DASHBOARD, None):
            raise Forbidden.of(Scope(Action.DASHBOARD))
        secret = operations.begin(
            self._db, actor=self._access.actor(asked), shown=auth.shown(token), old=_cookie(asked) or None
        )
        assert secret is not None
        return secret

    def sign_in_by(self, asked: Request, code: str) -> str | None:
        """Begin a session by the code of a link, as the first of AUTH_TOKENS; None if it is none any more.

        Only for who sits at this machine, and if the service listens there alone.
        """
        address = clients.address(asked.environ, self._settings.trusted_proxies)
        if not (self._settings.on_loopback and _is_loopback(address) and is_local(asked.host)):
            return None
        shown = self._access.own
        caller = self._access.who(shown)
        assert caller is not None
        asked.environ[CALLER] = caller
        actor = self._access.actor(asked)
        return operations.begin(self._db, actor=actor, shown=shown, code=code, old=_cookie(asked) or None)

    def sign_out(self, asked: Request, visitor: Visitor) -> None:
        """End a session."""
        asked.environ[CALLER] = visitor.caller
        operations.end(self._db, actor=self._access.actor(asked), secret=visitor.secret)


def keep(asked: Request, response: Response, secret: str | None) -> Response:
    """Give the browser the cookie of a session; None takes it away. Call it in a response directly below the root.

    Without a path the cookie is for what is below the folder of that response, whatever a proxy puts before it.
    """
    is_secure = is_over_https(asked)
    response.set_cookie(
        SECURE if is_secure else PLAIN,
        secret or "",
        max_age=LONGEST_S if secret else 0,
        path="/" if is_secure else None,
        secure=is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def is_over_https(asked: Request) -> bool:
    """Whether the browser came over https, by what it says itself: a proxy may have ended it. Raises InvalidRequest."""
    origin = asked.headers.get("Origin", "")
    if origin in {"", "null"}:
        return not is_local(asked.host)
    try:
        parts = urlsplit(origin)
    except ValueError:
        raise InvalidRequest(Fault("Origin", "must be the origin of the page")) from None
    if parts.scheme != "https" and not is_local(parts.netloc):
        raise InvalidRequest(
            Fault(
                "address", "must begin with https: over plain http the dashboard is for this machine only, as 127.0.0.1"
            )
        )
    return parts.scheme == "https"


def is_local(host: str) -> bool:
    """Whether the host of a URL is this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _cookie(asked: Request) -> str:
    secure = cookies.named(asked, SECURE)
    return secure or (cookies.named(asked, PLAIN) if is_local(asked.host) else "")
