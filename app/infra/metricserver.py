"""Serves the metrics of a process that answers no HTTP otherwise: a worker, a dispatcher."""

import contextlib
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from app.infra.metrics import CONTENT_TYPE
from app.infra.settings import SettingsError

PATH = "/metrics"
CLIENT_S = 10.0
"""How long a connection may last in all: nobody needs longer, and the port has no token."""
CLIENTS_MAX = 8
"""More connections at a time are closed at once. Each has a thread."""


def start(
    text: Callable[[], bytes], *, host: str, port: int, clients_max: int = CLIENTS_MAX, client_s: float = CLIENT_S
) -> ThreadingHTTPServer:
    """Serve `text` at /metrics, in threads that end with the process. Raises SettingsError if it cannot listen."""
    try:
        server = _Server(text, host, port, clients_max=clients_max, client_s=client_s)
    except OSError as error:
        raise SettingsError(f"ROWLINE_METRICS_PORT: cannot listen on {host} port {port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, text: Callable[[], bytes], host: str, port: int, *, clients_max: int, client_s: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.text = text
        self._room, self._client_s = threading.BoundedSemaphore(clients_max), client_s
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:  # type: ignore[override]
        # A timeout of the socket would bound each read alone: who sends a byte now and then would stay for ever.
        end = threading.Timer(self._client_s, _end, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "rowline", ""

    def do_GET(self) -> None:
        is_known = self.path.partition("?")[0] == PATH
        body = self.server.text() if is_known else b"The metrics are at /metrics\n"
        self.send_response(HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", CONTENT_TYPE if is_known else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: whoever scrapes does so each few seconds."""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
