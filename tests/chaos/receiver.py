"""The endpoint that dispatchers call in `make faults`: it notes each run, and answers well, most of the time."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Self

from tests.checker.record import Recorder, name_of

QUEUE = "pushed"
TIMEOUT_MS = 1_500


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: connections break when a dispatcher is killed."""


class Receiver:
    """A web server on loopback during a `with` block."""

    def __init__(self, record: Recorder, *, seed: str) -> None:
        random = Random(seed)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                said = json.loads(body)
                job, token = said["job"], said["token"]
                job_id = name_of(job["id"], job["data"]["batch"])
                seen = {"rev": job["data"].get("rev", 0), "priority": job["priority"]}
                record.note("began", id=job_id, token=token, worker="push", **seen)
                draw = random.random()
                if draw < 0.002:
                    time.sleep(TIMEOUT_MS / 1000 + 0.3)
                record.note("ended", id=job_id, token=token, worker="push")
                if draw < 0.005:
                    record.note("unanswered", id=job_id, token=token)
                    self.close_connection = True
                    return
                self._answer(503 if draw < 0.01 else 200, json.dumps(token).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
