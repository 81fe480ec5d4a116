"""One kept HTTP connection of a client that may send half, read half and vanish."""

import contextlib
import socket
import struct
from typing import Self

from tests.support.raw import Answer


class Lost(Exception):
    """The connection ended before an answer did."""


class Silent(Lost):
    """No answer within the time-out."""


class Wire:
    """A connection to a server on this machine."""

    def __init__(self, port: int, *, timeout_s: float = 15.0) -> None:
        """Connect. Raises Lost."""
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        except OSError as error:
            raise Lost(f"no connection: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def has_begun(self) -> bool:
        """Whether a part of an answer is there that nobody has taken."""
        return bool(self._received)

    def send(self, sent: bytes, *, is_last: bool = False) -> None:
        """Send, as far as the server takes it: it may answer and close before all was sent. `is_last`: say so."""
        with contextlib.suppress(OSError):
            self._socket.sendall(sent)
            if is_last:
                self._socket.shutdown(socket.SHUT_WR)

    def answer(self, *, is_bodiless: bool = False) -> Answer:
        """Take the next answer, past those of 1xx. `is_bodiless`: it answers a HEAD. Raises Lost."""
        while True:
            while b"\r\n\r\n" not in self._received:
                self._receive()
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            words = line.split(" ", 2)
            assert words[0].startswith("HTTP/1."), f"no answer: {head[:200]!r}"
            status = int(words[1])
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            if status >= 200:
                has_body = not is_bodiless and status not in {204, 304}
                return Answer(status, headers, self._body(headers) if has_body else b"")

    def read(self, size: int) -> bytes:
        """Take up to `size` bytes of what comes, less only at its end."""
        with contextlib.suppress(Lost):
            while len(self._received) < size:
                self._receive()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def cut(self, *, is_reset: bool) -> None:
        """Vanish: by a FIN, or by a RST."""
        if is_reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _body(self, headers: dict[str, str]) -> bytes:
        length = headers.get("content-length")
        with contextlib.suppress(Lost):
            while length is None or len(self._received) < int(length):
                self._receive()
        if length is not None and len(self._received) < int(length):
            raise Lost("the connection ended within an answer's body")
        size = len(self._received) if length is None else int(length)
        body, self._received = self._received[:size], self._received[size:]
        return body

    def _receive(self) -> None:
        try:
            more = self._socket.recv(65_536)
        except TimeoutError:
            raise Silent("no answer in time") from None
        except OSError as error:
            raise Lost(f"the connection broke: {error}") from error
        if not more:
            raise Lost("the connection ended")
        self._received += more
