"""Endpoints to send jobs to: real sockets that answer as a test says, and dispatchers as processes."""

import contextlib
import errno
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import trustme

from app.domain.endpoint import NewEndpoint
from app.infra.settings import Settings
from app.infra.vault import Vault
from app.operations import endpoints
from app.postgres.database import Database
from tests.support.acting import ACTOR
from tests.support.clusters import PATIENCE_S, PYTHON, Program, until
from tests.support.raw import KEY

LOOPBACK = "127.0.0.0/8,::1"
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMgbG9uZw=="


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came. Header names are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def job(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["job"])


Behaviour = Callable[[socket.socket, Call], object]


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    """Put an answer together."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def says(status: str = "200 OK", body: bytes = b"", *headers: str) -> Behaviour:
    return lambda connection, _call: connection.sendall(answer(status, body, *headers))


def silence(connection: socket.socket, _call: Call) -> None:
    """Answer nothing until the other side closes."""
    connection.recv(1)


class Receiver:
    """A server on a port of its own that notes each call and answers as `behaviour` does, a thread a connection."""

    def __init__(
        self, behaviour: Behaviour | None = None, *, tls: ssl.SSLContext | None = None, everywhere: bool = False
    ) -> None:
        """Listen on 127.0.0.1; `everywhere`: on each address that this machine has, those of IPv6 too."""
        self.behaviour = behaviour or says()
        self.calls: list[Call] = []
        self.open = self.most_open = self.connections = 0
        self._tls, self._lock = tls, threading.Lock()
        self._server = _listening_everywhere() if everywhere else socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/jobs?x=1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more; connections that are open stay so."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def expect(self, calls: int, *, within_s: float = PATIENCE_S) -> None:
        until(lambda: len(self.calls) >= calls, within_s=within_s)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError as error:
                if error.errno != errno.EMFILE:
                    return
                time.sleep(0.01)  # a test lets this process open no more files for a while
                continue
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            plain,
            self._tls.wrap_socket(plain, server_side=True) if self._tls else plain as connection,
        ):
            while call := _read(connection):
                with self._lock:
                    self.calls.append(call)
                    self.open += 1
                    self.most_open = max(self.most_open, self.open)
                try:
                    self.behaviour(connection, call)
                finally:
                    with self._lock:
                        self.open -= 1


def _listening_everywhere() -> socket.socket:
    if not socket.has_dualstack_ipv6():
        return socket.create_server(("", 0))
    return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)


def _read(connection: socket.socket) -> Call | None:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Call(line, headers, body)


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Make what a receiver shows a certificate with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@contextlib.contextmanager
def dispatcher(url: str, **settings: int | str) -> Iterator[Program]:
    """Run `rowline dispatch`, with these settings by their environment names in lower case without `rowline_`."""
    env = {"WEBHOOK_ALLOW": LOOPBACK, "SECRET_KEYS": KEY, "POLL_MS": "50"}
    env |= {name.upper(): str(value) for name, value in settings.items()}
    named = {f"ROWLINE_{name}": value for name, value in env.items()}
    with Program([*PYTHON, "-m", "app", "dispatch"], env={"DATABASE_URL": url} | named) as program:
        program.expect("dispatcher_started")
        yield program


def register(db: Database, url: str, *, queue: str = "q", **members: Any) -> None:
    """Register an endpoint as the API does."""
    asked: dict[str, Any] = {"queue": queue, "url": url, "method": "POST", "headers": {}, "secrets": [SECRET]}
    endpoints.register(
        db,
        actor=ACTOR,
        new=NewEndpoint(**asked | members),
        vault=Vault(Settings(secret_keys=(KEY,))),
        max_endpoints=1_000,
    )
