"""A Prometheus with the scripts of its package: Debian's looks for them in /usr/share, where nothing is installed."""

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATIC = "/classic/static/"
_KINDS = {".js": "text/javascript", ".css": "text/css", ".gif": "image/gif"}


class _Site(ThreadingHTTPServer):
    """Answers with the files below `static`, and else as the Prometheus at `port`."""

    def __init__(self, static: Path, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.static, self.port = static, port


class _Handler(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        if self.path.startswith(STATIC):
            file = self.server.static / self.path.removeprefix(STATIC)
            if not file.is_file():
                self._say(404, "text/plain", b"")
            else:
                self._say(200, _KINDS[file.suffix], file.read_bytes())
            return
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{self.path}", timeout=60) as answer:
                self._say(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            self._say(error.code, error.headers["Content-Type"], error.read())

    def _say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass


@contextlib.contextmanager
def site(static: Path, port: int) -> Iterator[str]:
    """Serve both during the block; yield the address."""
    with _Site(static, port) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
