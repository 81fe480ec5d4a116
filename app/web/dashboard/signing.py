"""Sign in by a token that is typed once, or by a link of this machine; sign out."""

import re
from urllib.parse import quote

from flask import Blueprint, Request, Response, request

from app.domain.errors import Forbidden, InvalidRequest, OverQuota, Unauthorized
from app.infra.settings import Settings
from app.web import problems
from app.web.auth import current_request
from app.web.dashboard import forms, page, sessions
from app.web.dashboard.sessions import VISITOR, Sessions

TOKEN_MAX = 1_000
NEXT_MAX = 3_000
"""A longer page to see next is forgotten: the link to it would be refused as too long."""
_NEXT = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:@/?-]{1,2000}")
_SIGNED_OUT = 401


def blueprint(_settings: Settings, known: Sessions) -> Blueprint:
    """Return the pages of signing in and out."""
    routes = Blueprint("signing", __name__)
    _add_forms(routes)
    _add_acts(routes, known)
    return routes


def _add_forms(routes: Blueprint) -> None:
    @routes.get("")
    def home() -> Response:
        """Go to the first page: links are relative to the folder that the slash makes of it."""
        return Response(status=303, headers={"Location": "dashboard/", "Cache-Control": "no-store"})

    @routes.get("/login")
    def form() -> Response:
        """Ask for a token."""
        if request.environ[VISITOR] is not None:
            return page.go(wanted(request.args.get("next", "")))
        return _ask()

    @routes.get("/login/<segment:code>")
    def link(code: str) -> Response:
        """Show the button of a link: what only looks at links, such as a chat, must not use it up."""
        return page.render("link.html", sign_in_code=code)


def _add_acts(routes: Blueprint, known: Sessions) -> None:
    @routes.post("/login")
    def sign_in() -> Response:
        """Begin a session, and go to the page that was wanted."""
        asked = current_request()
        try:
            secret = known.sign_in(asked, _token(asked))
        except (Unauthorized, OverQuota, Forbidden, InvalidRequest) as error:
            return _again(error)
        return _into(asked, secret)

    @routes.post("/link")
    def sign_in_by_link() -> Response:
        """Begin a session by the code of a link."""
        asked = current_request()
        secret = known.sign_in_by(asked, forms.sent().get("code", "")[:TOKEN_MAX])
        if secret is None:
            message = "This link is used up, over a minute old, or not opened on the machine of the service."
            return _ask(status=_SIGNED_OUT, error=f"{message} `rowline dashboard` prints a new one.")
        return _into(asked, secret)

    @routes.post("/logout")
    def sign_out() -> Response:
        """End the session."""
        asked = current_request()
        if (visitor := asked.environ[VISITOR]) is not None:
            known.sign_out(asked, visitor)
        return sessions.keep(asked, page.go("login"), None)


def _token(asked: Request) -> str:
    """Return the token that was typed. Raises InvalidRequest where the browser would not keep the cookie."""
    sessions.is_over_https(asked)
    token = forms.text("token")
    if not token or len(token) > TOKEN_MAX:
        raise Unauthorized("a token is required")
    return token


def to_sign_in(asked: Request) -> Response:
    """Lead who is not signed in to the form; what a script asks for gets a status alone."""
    if page.FRAGMENT in asked.args or asked.headers.get("Sec-Fetch-Dest") == "empty":
        return page.html("", status=_SIGNED_OUT)
    wants = quote(page.here(), safe="") if asked.method in {"GET", "HEAD"} else ""
    return page.go(f"login?next={wants}" if 0 < len(wants) <= NEXT_MAX else "login")


def wanted(path: str) -> str:
    """Return the page that somebody wants to see next; the first one if that is none of the dashboard."""
    return path if _NEXT.fullmatch(path) and not path.startswith(("/", "login")) else ""


def _into(asked: Request, secret: str) -> Response:
    found = wanted(forms.sent().get("next", ""))
    return sessions.keep(asked, page.go(found or "?in="), secret)


def _ask(*, status: int = 200, error: str | None = None) -> Response:
    sent = forms.sent() if request.method == "POST" else request.args
    return page.render("login.html", status=status, error=error, next=wanted(sent.get("next", "")))


def _again(error: Unauthorized | OverQuota | Forbidden | InvalidRequest) -> Response:
    found = problems.of(error)
    words = found.error
    if isinstance(error, Unauthorized):
        words = "This is no valid token: it may be mistyped, revoked or expired."
    if found.details:
        words = " ".join(f"The {fault.path} {fault.message}." for fault in found.details)
    response = _ask(status=found.status, error=words)
    if "Retry-After" in found.headers:
        response.headers["Retry-After"] = found.headers["Retry-After"]
    return response
