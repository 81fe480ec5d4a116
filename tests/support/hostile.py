"""A server that answers as no Rowline does."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

EVIL = "\x1b]0;owned\x07\x9b31m\u202eevil"


def answer(body: Any, *headers: str, status: str = "200 OK") -> bytes:
    """Put an answer together; a body that is not bytes is a JSON value."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(raw)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + raw


class Hostile:
    """Sends the pieces of `said` to whoever asks, and closes the connection. `requests` are those that came."""

    def __init__(self, said: Iterable[bytes]) -> None:
        self.said, self.requests = said, list[bytes]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(10)
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.recv(65_536)
        self.requests.append(received)
        for piece in self.said:
            client.sendall(piece)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextlib.contextmanager
def saying(*said: bytes) -> Iterator[Hostile]:
    """Run a server that answers so during the block."""
    with contextlib.closing(Hostile(said)) as server:
        yield server
