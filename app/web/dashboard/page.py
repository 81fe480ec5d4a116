"""Pages: a template, what it shows, and what every page has."""

import hashlib
import time
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, request

from app.infra import log
from app.web.auth import current_request
from app.web.dashboard import cookies, forms, messages
from app.web.dashboard.api import KEY
from app.web.dashboard.navigation import PAGES

FRAGMENT = "fragment"
"""The parameter that asks for a region of a page alone, a block of its template; there may be several."""
THEME, KEYS = "rowline-theme", "rowline-keys"
"""Cookies with what a person likes."""
THEMES = ("system", "light", "dark")
_PREFIX = "/dashboard/"
_DIGITS = 9
_SAID = {"done", "count"}
"""The parameters of `go`."""
_DEEPEST = 16
"""No page is so many folders below the root. Each link of a page repeats the way from there, and a path has room for
thousands."""


def root() -> str:
    """Return the way from this page to the root of the dashboard, at whatever path a proxy serves it."""
    return "../" * min(_below().count("/"), _DEEPEST) or "./"


def render(template: str, *, status: int = 200, **values: Any) -> Response:
    """Make a page of a template; or, if the query names blocks, each as `fragment`, these alone, with an ETag."""
    made = current_app.jinja_env.get_template(template)
    context = _frame() | values
    wanted = [*dict.fromkeys(request.args.getlist(FRAGMENT))]  # each once: a query can name one some hundred times
    if not wanted or status != HTTPStatus.OK:
        return html(made.render(context), status=status)
    if not made.blocks.keys() >= set(wanted):
        return html("", status=404)
    response = html("".join(part for name in wanted for part in made.blocks[name](made.new_context(context))))
    etag = hashlib.sha256(response.get_data()).hexdigest()[:32]
    response.set_etag(etag)
    if etag in request.environ.get("HTTP_IF_NONE_MATCH", ""):  # Werkzeug takes a long list apart for a millisecond
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.set_data(b"")
    return response


def html(text: str, *, status: int = 200) -> Response:
    """Make a response that no cache keeps."""
    return Response(text, status, mimetype="text/html", headers={"Cache-Control": "no-store"})


def trouble(status: int, problem: dict[str, Any], headers: dict[str, str]) -> Response:
    """Make the page of an error, in the words of the API."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    response = render(
        "error.html", status=status, phrase=phrase, problem=problem, code=status, request_id=log.request_id.get()
    )
    for name, value in headers.items():
        response.headers[name] = value
    return response


def go(path: str, *, done: str | None = None, count: int | None = None) -> Response:
    """Lead to a page below the root, which says what was done: a word of `messages.DONE`."""
    said = f"{'&' if '?' in path else '?'}done={done}" if done else ""
    said += f"&count={count}" if said and count is not None else ""
    return Response(status=303, headers={"Location": f"{root()}{path}{said}", "Cache-Control": "no-store"})


def start() -> int:
    """Return where a page begins that goes on by a number; the first one if the query has no such number."""
    text = request.args.get("start", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def here() -> str:
    """Return the path of this page below the root, with its query, but for what was done before."""
    parts = request.query_string.decode("ascii", "replace").split("&")
    query = "&".join(part for part in parts if part.partition("=")[0] not in _SAID)
    return _below() + (f"?{query}" if query else "")


def theme() -> str:
    """Return the theme that this person likes."""
    found = cookies.named(current_request(), THEME)
    return found if found in THEMES else THEMES[0]


def _below() -> str:
    """Return the path of this page below the root."""
    return str(request.environ["PATH_INFO"]).removeprefix(_PREFIX)


def _frame() -> dict[str, Any]:
    api = request.environ.get(KEY)
    return {
        "root": root(),
        "here": here(),
        "path": _below(),
        "menu": [entry for entry in PAGES if api and api.may(entry.action)],
        "caller": api.caller if api else None,
        "may": api.may if api else lambda *_: False,
        "form_token": forms.token(),
        "theme": theme(),
        "has_keys": cookies.named(current_request(), KEYS) != "off",
        "done": messages.done(request.args),
        "now_ms": int(time.time() * 1000),
        "stream": None,
    }
