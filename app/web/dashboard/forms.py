"""Forms: read as all bodies are, and from the dashboard's own pages only."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Request, request
from werkzeug.datastructures import MultiDict

from app.domain import sessions as domain
from app.domain.errors import Fault, InvalidRequest
from app.infra import cooperation
from app.infra.settings import Settings
from app.web import body
from app.web.dashboard.api import Refused
from app.web.dashboard.sessions import VISITOR, Visitor

FIELD = "form"
"""The field of each form with its token."""
FIELDS_MAX = 200
STRANGERS_BYTES, STRANGERS_FIELDS = 12 * 1024, 20
"""The longest form of who is not signed in, and its fields: a token, and the page that is wanted."""
LONG = {"queue.add", "jobs.change", "schedules.make", "schedules.change"}
"""The routes whose forms hold the data of a job, and may be as long as any body."""
SHORT = 3 * body.SHORT
"""The longest of all others: escaped, a byte is three."""
PIECE = 16 * 1024
"""So many bytes of a field are decoded before other requests have a turn; escapes alone take 2.5 ms."""
_FORM = "rowline.form"
_WHOLE = re.compile(r"\d{1,20}", re.ASCII)
_INDEX = re.compile(r"\[(\d{1,9})\]", re.ASCII)
_AS_THE_API: Mapping[str, str] = MappingProxyType({})
_FORBIDDEN = 403
_FORGED = {
    "error": "This form was not sent by a page of this dashboard, or its session is over. Go back, reload, try again.",
    "code": "forged",
}


def require_own(asked: Request, visitor: Visitor | None, settings: Settings) -> None:
    """Require that a page of the dashboard sent a form; read it. Raises Refused, and the errors of bodies.

    Browsers say so in a header that pages cannot set. One that does not must show the form's token, which is bound to
    the session; without a session there is nothing yet that a forged form could use.
    """
    site = asked.headers.get("Sec-Fetch-Site")
    if site not in {None, "same-origin"}:
        raise Refused(_FORBIDDEN, _FORGED, {})
    longest = settings.max_body_bytes if asked.endpoint in LONG else SHORT
    limit = min(longest if visitor else STRANGERS_BYTES, settings.max_body_bytes)
    raw = body.read(asked, limit=limit, client_s=settings.client_s)
    most = FIELDS_MAX if visitor else STRANGERS_FIELDS
    try:
        fields = _fields(raw, most)
    except ValueError:
        raise InvalidRequest(Fault("form", f"must be URL-encoded, with at most {most} fields")) from None
    found = asked.environ[_FORM] = MultiDict(fields)
    if site is None and visitor is not None and not domain.is_form_token(visitor.secret, found.get(FIELD, "")):
        raise Refused(_FORBIDDEN, _FORGED, {})


def _fields(raw: bytes, most: int) -> list[tuple[str, str]]:
    """Return names and values. Raises ValueError."""
    if not raw.isascii() or raw.count(b"&") >= most:
        raise ValueError
    pairs = [part.partition(b"=") for part in raw.split(b"&") if part]
    if len(raw) <= PIECE:
        return [(_decoded(name), _decoded(value)) for name, _, value in pairs]
    with cooperation.alone():
        return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(text: bytes) -> str:
    """Return what a name or a value stands for; gives way between pieces. Raises UnicodeDecodeError."""
    text = text.replace(b"+", b" ")
    if len(text) <= PIECE:
        return unquote_to_bytes(text).decode()
    pieces, begin = [], 0
    while begin < len(text):
        end = begin + PIECE
        cut = text.rfind(b"%", end - 2, end)  # no piece ends within an escape
        end = end if cut < 0 else cut
        pieces.append(unquote_to_bytes(text[begin:end]))
        begin = end
        cooperation.give_way()
    return b"".join(pieces).decode()


def sent() -> MultiDict[str, str]:
    """Return the fields of the form of this request."""
    found: MultiDict[str, str] = request.environ[_FORM]
    return found


def token() -> str:
    """Return the token for the forms of this page; "" without a session."""
    visitor: Visitor | None = request.environ.get(VISITOR)
    return domain.form_token(visitor.secret) if visitor else ""


def text(name: str, *, default: str = "") -> str:
    """Return a field of a text area or a line, with line ends as JSON and people write them."""
    return sent().get(name, default).replace("\r\n", "\n").strip()


def whole(text: str) -> int | str:
    """Return the number that a text is; one that is longer than the API takes, or none, as it is, to be refused."""
    return int(text) if _WHOLE.fullmatch(text) else text


def in_words(
    problem: Mapping[str, Any], labels: Mapping[str, str], *, fields: Mapping[str, str] = _AS_THE_API
) -> dict[str, Any]:
    """Return a refusal with the labels of a form in the place of the paths that the API has for its fields.

    `labels` are by path; what is below one, such as an option in an object, is named behind its label. `faults` are
    what is said beside fields, by their names, which are the last part of the path if `fields` has no other.
    """
    found = problem.get("details", ())
    path = found[0]["path"] if found else problem["error"].partition(" ")[0]
    demand = problem["error"].removeprefix(path)
    faults: dict[str, str] = dict(problem.get("faults", {}))
    for one in found:
        if (whole := _whole(one["path"], labels)) is not None:
            name = fields.get(whole, whole.rpartition(".")[2])
            said = f"{_below(one['path'], whole)} {one['message']}".lstrip()
            faults[name] = f"{faults[name]}; {said}" if name in faults else said
    return {
        **problem,
        "error": f"{_label(path, labels)}{demand}" if demand != problem["error"] else demand,
        "details": [one | {"path": _label(one["path"], labels)} for one in found],
        "faults": faults,
    }


def _label(path: str, labels: Mapping[str, str]) -> str:
    whole = _whole(path, labels)
    if whole is None:
        return path
    below = _below(path, whole)
    return f"{labels[whole]}, {below}:" if below else f"{labels[whole]}:"


def _whole(path: str, labels: Mapping[str, str]) -> str | None:
    """Return the path of the field that a path is of, or is below; None if the form has no such field."""
    return next((one for one in labels if f"{path}.".startswith((f"{one}.", f"{one}["))), None)


def _below(path: str, whole: str) -> str:
    return _INDEX.sub(lambda index: f" number {int(index[1]) + 1}", path[len(whole) :]).lstrip(". ")
