"""HTTP as bytes: requests that no client library would send, and a real server to send them to."""

import contextlib
import json
import re
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.clusters import PATIENCE_S, PYTHON, Program, free_port

TOKEN = "a-token-of-the-raw-tests"
KEY = "cm93bGluZS10ZXN0cy1vZi13ZWJob29rcy1hLWtleSE="  # so that none is made in the home of whoever tests
DEADLINE_S = PATIENCE_S
PATIENT = {
    "ROWLINE_CONNECT_S": "20",
    "ROWLINE_STATEMENT_MS": "40000",
    "ROWLINE_POOL_WAIT_MS": "40000",
    "ROWLINE_REQUEST_MS": "60000",
}
"""Settings of a server that answers 503 to no request because the machine is slow, or because many come at once."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it came. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`rowline serve` on a database, spoken to in bytes."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self.port = port

    def ask(self, sent: bytes, *, end: bool = False, wanted: int | None = None, method: str = "") -> list[Answer]:
        """Send bytes; return the answers until the server closes, or `wanted` have come.

        `end` says at once that no more is sent. `method` HEAD: answers have no bodies.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as connection:
            with contextlib.suppress(ConnectionError):  # an answer may come before all was sent
                connection.sendall(sent)
                if end:
                    with contextlib.suppress(OSError):  # the other side has closed
                        connection.shutdown(socket.SHUT_WR)
            return answers_in(_received(connection, wanted, is_bodiless=method == "HEAD"), is_bodiless=method == "HEAD")

    def log(self) -> str:
        """Return all lines that the server has logged, having seen that it still answers."""
        mark = uuid.uuid4().hex
        [answer] = self.ask(
            f"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-Id: {mark}\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.status == 200
        self.program.expect(mark)
        return "".join(self.program.lines())

    def check(self) -> None:
        """See that the server still answers and that its log is lines of JSON with no raw control character."""
        written = self.log()
        assert not _CONTROL.search(written), _CONTROL.search(written)
        lines = [line for line in written.splitlines() if line]
        assert all(isinstance(json.loads(line), dict) for line in lines)


@contextlib.contextmanager
def server(url: str, **settings: str) -> Iterator[Server]:
    """Serve the database of `url` during the block, with one process. `settings` are environment variables."""
    port = free_port()
    env = {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port), "ROWLINE_API_PROCESSES": "1"}
    env |= {"ROWLINE_SECRET_KEYS": KEY} | settings
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as program:
        program.expect("api_started")
        yield Server(program, port)


def request(
    method: str, target: str, *headers: str, body: bytes = b"", token: str | None = TOKEN, version: str = "1.1"
) -> bytes:
    """Put a request together. A body gets a Content-Length where no header says how it is framed."""
    lines = [f"{method} {target} HTTP/{version}", "Host: x", *([f"Authorization: Bearer {token}"] if token else [])]
    framed = any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers)
    if body and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def answers_in(received: bytes, *, is_bodiless: bool = False) -> list[Answer]:
    """Take what a server sent apart. An answer of 1xx counts as one."""
    found: list[Answer] = []
    while received:
        answer, received = _first(received, is_bodiless=is_bodiless)
        found.append(answer)
    return found


def _first(received: bytes, *, is_bodiless: bool) -> tuple[Answer, bytes]:
    head, blank, rest = received.partition(b"\r\n\r\n")
    assert blank, f"half an answer: {received[:200]!r}"
    line, *fields = head.decode("latin-1").split("\r\n")
    protocol, status, _reason = line.split(" ", 2)
    assert protocol.startswith("HTTP/1."), f"no answer: {received[:200]!r}"
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    has_body = not is_bodiless and not status.startswith("1") and status not in {"204", "304"}
    length = int(headers.get("content-length", len(rest))) if has_body else 0
    assert len(rest) >= length, f"half a body: {received[:200]!r}"
    return Answer(int(status), headers, rest[:length]), rest[length:]


def _received(connection: socket.socket, wanted: int | None, *, is_bodiless: bool) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):  # how a server closes that has not read everything
        while True:
            more = connection.recv(65536)
            received += more
            if not more or (wanted and _count(received, is_bodiless=is_bodiless) >= wanted):
                break
    return received


def _count(received: bytes, *, is_bodiless: bool) -> int:
    try:
        return len(answers_in(received, is_bodiless=is_bodiless))
    except AssertionError:
        return 0
