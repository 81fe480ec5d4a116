"""The API, called inside the process: a page is made of its responses, a button is one of its requests.

So rights, limits, faults and the audit are those of the API, and are written once.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from flask import request

from app.domain.tokens import Action, Caller
from app.web.auth import INSIDE
from app.web.dashboard.sessions import Visitor

KEY = "rowline.api"
"""The key of the WSGI environment with the `Api` of who is signed in."""
Query = Mapping[str, Any] | Sequence[tuple[str, Any]]
_COPIED = (
    *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST", "HTTP_X_FORWARDED_FOR"),
    *("wsgi.version", "wsgi.url_scheme", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"),
)
"""What a request inside has of the one outside: whose it is, nothing of its head, body or connection."""
_CONNECTION = "gunicorn.socket"
_OK, _FAILED = 200, 400
CONTENTS, LONG = {"data", "result", "progress"}, 16 * 1024
"""Members with contents of jobs, and from how many bytes on they are left out where many jobs are shown."""
FILTER = "filter"
"""What a plan means, in which `data` is no content: it is whole."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


class Refused(Exception):
    """The API refused a request; the page of the error says so in its words."""

    def __init__(self, status: int, problem: dict[str, Any], headers: dict[str, str]) -> None:
        """Keep what the response said."""
        super().__init__(problem.get("error"))
        self.status, self.problem, self.headers = status, problem, headers


class Answer(NamedTuple):
    """A response of the API, whose body comes in pieces."""

    status: int
    headers: dict[str, str]
    pieces: Iterable[bytes]

    def close(self) -> None:
        """Let go of what the response holds."""
        if close := getattr(self.pieces, "close", None):
            close()

    def body(self) -> bytes:
        """Return the whole body. Raises Refused."""
        try:
            whole = b"".join(self.pieces)
        finally:
            self.close()
        if self.status >= _FAILED:
            kept = {name: self.headers[name] for name in ("Retry-After",) if name in self.headers}
            raise Refused(self.status, json.loads(whole), kept)
        return whole


class Api:
    """The API as who is signed in has it. Paths are as in its documentation, with names percent-encoded."""

    def __init__(self, application: Any, environ: dict[str, Any], visitor: Visitor) -> None:
        """Call `application` for the visitor, from the address of the request of `environ`."""
        self._application, self._environ, self._visitor = application, environ, visitor

    @property
    def caller(self) -> Caller:
        """Who is signed in."""
        return self._visitor.caller

    def may(self, action: Action, queue: str | None = None) -> bool:
        """Whether a request of this action would be allowed: then its button is shown."""
        return self.caller.may(action, queue)

    def get(self, path: str, query: Query = ()) -> Any:
        """Return the JSON of a response, without long contents of jobs: see `members`. Raises Refused."""
        return _values(self.call("GET", path, query).body())

    def members(self, path: str) -> dict[str, bytes]:
        """Return the JSON texts of the members of a response, as they were sent. Raises Refused."""
        found = msgspec.json.decode(self.call("GET", path).body(), type=dict[str, msgspec.Raw])
        return {name: bytes(raw) for name, raw in found.items()}

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that changes something: its body as JSON, or, if it is text, as it is. Raises Refused."""
        raw = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        return _values(self.call(method, path, body=raw).body())

    def call(self, method: str, path: str, query: Query = (), *, body: bytes = b"", is_stream: bool = False) -> Answer:
        """Send a request. The caller closes the answer; one that `is_stream` ends with the connection outside."""
        environ = {name: self._environ[name] for name in _COPIED if name in self._environ}
        environ |= {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "RAW_URI": path,
            "QUERY_STRING": urlencode(query, doseq=True),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            INSIDE: self._visitor.shown,
        }
        if is_stream and _CONNECTION in self._environ:
            environ[_CONNECTION] = self._environ[_CONNECTION]
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _info: Any = None) -> None:
            started[:] = [int(status.split(maxsplit=1)[0]), dict(headers)]

        pieces = self._application(environ, start_response)
        return Answer(started[0], started[1], pieces)


def _values(text: bytes) -> Any:
    """Return JSON as values, without long contents of jobs: these have any shape, and objects for a MiB take 0.4 s.

    Numbers in contents may lose digits.
    """
    if len(text) > LONG and text.startswith(b"{"):
        members = ((name, bytes(raw)) for name, raw in _OBJECT.decode(text).items())
        return {
            name: json.loads(raw) if name == FILTER else _values(raw)
            for name, raw in members
            if name not in CONTENTS or len(raw) <= LONG
        }
    if len(text) > LONG and text.startswith(b"["):
        return [_values(bytes(raw)) for raw in _ELEMENTS.decode(text)]
    return json.loads(text)


def of() -> Api:
    """Return the API of who is signed in."""
    found: Api = request.environ[KEY]
    return found


def pieces(answer: Answer) -> Iterator[bytes]:
    """Yield the pieces of a response, and close it at the end."""
    try:
        yield from answer.pieces
    finally:
        answer.close()
