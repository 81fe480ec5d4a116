"""The API without a socket: for a command that has the database, and acts as an account of this machine."""

import contextvars
import dataclasses
import io
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class InProcess:
    """The application, with all rights. What it does is in the audit as done by `account`."""

    def __init__(self, settings: Settings, db: Database, *, account: str) -> None:
        """Make the application. Its warnings are not logged: the responses say what is wrong."""
        logging.getLogger("app").addHandler(logging.NullHandler())
        self._token = secrets.token_urlsafe(24)
        self._application = app.create(dataclasses.replace(settings, tokens=(self._token,)), db, account=account)

    def ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Respond to a request; `target` is the path, percent-encoded, with the query."""
        return contextvars.copy_context().run(self._ask, method, target, body, headers)  # it sets the caller

    def _ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        begun: dict[str, Any] = {}

        def start(status: str, named: list[tuple[str, str]], _trouble: Any = None, /) -> Callable[[bytes], object]:
            begun.update(status=int(status.split(" ", 1)[0]), headers=dict(named))
            return lambda _piece: None

        pieces = self._application(self._environ(method, target, body, headers), start)
        try:
            whole = b"".join(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return Reply(begun["status"], begun["headers"], whole)

    def _environ(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        path, _, query = target.partition("?")
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        return named | {
            "REQUEST_METHOD": method,
            "RAW_URI": target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "0",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "CONTENT_LENGTH": str(len(body or b"")),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body or b""),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
