"""Serves the metrics of a process that answers no HTTP otherwise: a worker, a dispatcher.

Nothing of the standard library's HTTP server: its heads may have 100 fields of 64 KiB each.
"""

import re
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from app.infra.metrics import CONTENT_TYPE
from app.infra.settings import SettingsError

PATH = "/metrics"
CLIENT_S = 10.0
"""How long a connection may last in all: nobody needs longer, and the port has no token."""
CLIENTS_MAX = 8
"""More connections at a time are closed at once. Each has a thread."""
LINE_MAX, HEAD_MAX, READS_MAX = 4 * 1024, 8 * 1024, 64
"""The longest request line and the longest head with it, in bytes, and in how many pieces a head may come."""
PAUSE_S = 0.05
"""How long nobody is accepted after a connection: a flood costs little of the process."""
AGE_S = 1.0
"""How old the text may be that is sent."""
_ENDS = re.compile(rb"\n\r?\n")
_METHODS, _WORDS = {b"GET", b"HEAD"}, 3


def start(
    text: Callable[[], bytes], *, host: str, port: int, clients_max: int = CLIENTS_MAX, client_s: float = CLIENT_S
) -> ThreadingTCPServer:
    """Serve `text` at /metrics, in threads that end with the process. Raises SettingsError if it cannot listen."""
    try:
        server = _Server(text, host, port, clients_max=clients_max, client_s=client_s)
    except OSError as error:
        raise SettingsError(f"ROWLINE_METRICS_PORT: cannot listen on {host} port {port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64
    """The kernel keeps so many that are not accepted yet: whoever scrapes comes behind a small flood, not never."""

    def __init__(self, text: Callable[[], bytes], host: str, port: int, *, clients_max: int, client_s: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.client_s = client_s
        self._room = threading.BoundedSemaphore(clients_max)
        self._make, self._making = text, threading.Lock()
        self._made, self._old_at = b"", 0.0
        super().__init__((host, port), _Handler)

    def text(self) -> bytes:
        """Return what is to be said, made at most once in AGE_S, however many ask."""
        with self._making:
            if time.monotonic() >= self._old_at:
                self._made = self._make()
                self._old_at = time.monotonic() + AGE_S
            return self._made

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except RuntimeError:  # there can be no thread more
                self._room.release()
                raise
        else:
            self.shutdown_request(request)
        time.sleep(PAUSE_S)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseRequestHandler):
    """One request: its connection is closed then."""

    request: socket.socket
    server: _Server
    _is_head = False

    def setup(self) -> None:
        self._ends_at = time.monotonic() + self.server.client_s

    def handle(self) -> None:
        head = self._head()
        if head is None:
            return
        line = head.partition(b"\n")[0].rstrip(b"\r")
        if len(line) > LINE_MAX:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long")
        elif not _ENDS.search(head, 0, HEAD_MAX):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head is too long, or in too many pieces")
        else:
            self._serve(line.split(b" "))

    def _serve(self, words: list[bytes]) -> None:
        method, target, version = words if len(words) == _WORDS else (b"", b"", b"")
        self._is_head = method == b"HEAD"
        if not version.startswith(b"HTTP/1."):
            self._refuse(HTTPStatus.BAD_REQUEST, "This is no request of HTTP/1.1")
        elif target.partition(b"?")[0] != PATH.encode():
            self._refuse(HTTPStatus.NOT_FOUND, "The metrics are at /metrics")
        elif method not in _METHODS:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "The methods are GET and HEAD", "Allow: GET, HEAD\r\n")
        else:
            self._answer(HTTPStatus.OK, CONTENT_TYPE, self.server.text())

    def _head(self) -> bytes | None:
        """Return the head, or its beginning if it is too long; None if the client went away. Raises TimeoutError."""
        head = bytearray()
        for _ in range(READS_MAX):
            self._bound()
            piece = self.request.recv(HEAD_MAX + 1 - len(head))
            if not piece:
                return None
            head += piece
            if len(head) > HEAD_MAX or _ENDS.search(head):
                break
        return bytes(head)

    def _refuse(self, status: HTTPStatus, why: str, fields: str = "") -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{why}\n".encode(), fields)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, fields: str = "") -> None:
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nServer: rowline\r\nDate: {formatdate(usegmt=True)}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{fields}Connection: close\r\n\r\n"
        )
        self._bound()
        self.request.sendall(head.encode())
        if not self._is_head:
            self._bound()
            self.request.sendall(body)  # apart: all who do not read share one text

    def _bound(self) -> None:
        """Have what is done next end with the time of the connection."""
        self.request.settimeout(max(self._ends_at - time.monotonic(), 0.001))
