"""A client of a stream of events, as a program would write it with http.client."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.support.clusters import PATIENCE_S


class Told(NamedTuple):
    """One server-sent event."""

    id: str | None
    event: str
    data: dict[str, Any]


class EventStream:
    """The response to a GET of a stream, read as it comes."""

    def __init__(
        self, port: int, path: str, *, token: str, last_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        sent = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last_id} if last_id else {})
        self.connection.request("GET", path, headers=sent | dict(headers or {}))
        self.response = self.connection.getresponse()
        self.last_id = last_id
        self.comments = 0

    def __iter__(self) -> Iterator[Told]:
        """Yield events until the stream ends, or is cut."""
        said: dict[str, str] = {}
        with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
            while line := self.response.readline():
                text = line.decode().rstrip("\n")
                if text.startswith(":"):
                    self.comments += 1
                elif text:
                    name, _, value = text.partition(": ")
                    said[name] = value
                elif said:
                    self.last_id = said.get("id", self.last_id)
                    if "event" in said:
                        yield Told(said.get("id"), said["event"], json.loads(said["data"]))
                    said = {}

    def take(self, count: int) -> list[Told]:
        """Return the next events, so many."""
        coming = iter(self)
        return [next(coming) for _ in range(count)]

    def close(self) -> None:
        self.connection.close()
        self.response.close()


@contextlib.contextmanager
def opened(
    port: int, path: str, *, token: str, last_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Iterator[EventStream]:
    """Open a stream for the block, and read its hello."""
    stream = EventStream(port, path, token=token, last_id=last_id, headers=headers)
    try:
        assert stream.response.status == 200, stream.response.read()
        [hello] = stream.take(1)
        assert hello.event == "hello"
        yield stream
    finally:
        stream.close()


class Relay:
    """Passes connections on to a port of loopback as bytes come, and cuts those that are open."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut all that is open."""
        for side in [*self._open]:
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to_port))
                self._open += (client, server)
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            back = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            back.start()
            self._pass(client, server)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
