"""Serves the metrics of a process that answers no HTTP otherwise: a worker, a dispatcher."""

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.infra.metrics import CONTENT_TYPE
from app.infra.settings import SettingsError

PATH = "/metrics"
CLIENT_S = 10.0  # how long a client may take


def start(text: Callable[[], bytes], *, host: str, port: int) -> ThreadingHTTPServer:
    """Serve `text` at /metrics, in threads that end with the process. Raises SettingsError if it cannot listen."""

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_S
        server_version, sys_version = "rowline", ""

        def do_GET(self) -> None:
            is_known = self.path.partition("?")[0] == PATH
            body = text() if is_known else b"The metrics are at /metrics\n"
            self.send_response(HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", CONTENT_TYPE if is_known else "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: whoever scrapes does so each few seconds."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that went away."""

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise SettingsError(f"ROWLINE_METRICS_PORT: cannot listen on {host} port {port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
