"""HTTP by raw sockets in one select loop: little CPU for a client in Python."""

import abc
import re
import selectors
import socket
from collections.abc import Sequence

from app.infra.settings import Settings

LONGEST_S = 10.0  # for which nothing may happen at all
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


def request(chosen: Settings, method: str, path: str, body: str = "") -> bytes:
    """Return a request to the API, or to whoever listens where it should."""
    encoded = body.encode()
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: {chosen.host}:{chosen.port}",
        *(f"Authorization: Bearer {token}" for token in chosen.tokens[:1]),
        *(["Content-Type: application/json", f"Content-Length: {len(encoded)}"] if body else []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + encoded


class Exchange(abc.ABC):
    """One connection: a request goes out whole, then its answer comes in, then the request that follows from it."""

    def __init__(self, chosen: Settings) -> None:
        """Connect."""
        self.socket = socket.create_connection((chosen.host, chosen.port), timeout=LONGEST_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._unsent = memoryview(b"")
        self._received, self._missing = bytearray(), -1

    @abc.abstractmethod
    def following(self, answer: bytes | None) -> bytes | None:
        """Return the request that follows from the body of an answer, at first from None; None ends it."""

    def begin(self, answer: bytes | None = None) -> int | None:
        """Send the next request, as far as the socket takes it; return what to watch for, None at the end."""
        following = self.following(answer)
        if following is None:
            return None
        self._unsent = memoryview(following)
        self._received, self._missing = bytearray(), -1
        return self.send()

    def send(self) -> int:
        """Send more of the request; return what to watch for."""
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return BOTH
        return BOTH if self._unsent else selectors.EVENT_READ

    def receive(self) -> bytes | None:
        """Take what has come of the answer; return its body when it is whole."""
        chunk = self.socket.recv(1 << 20)
        if not chunk:
            raise ConnectionError("the API closed a connection")
        self._received += chunk
        if self._missing < 0:
            self._read_head()
        elif self._missing:
            self._missing -= len(chunk)
        return bytes(self._received) if self._missing == 0 else None

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._received, 0, end)
        if not self._received.startswith(b"HTTP/1.1 200 ") or length is None:
            raise ConnectionError(f"the API answered {bytes(self._received[:500])!r}")
        self._missing = int(length[1]) - (len(self._received) - end)
        del self._received[:end]


def drive(exchanges: Sequence[Exchange]) -> None:
    """Keep a request under way on each connection until all have come to their ends."""
    with selectors.DefaultSelector() as selector:
        for exchange in exchanges:
            if watched := exchange.begin():
                selector.register(exchange.socket, watched, exchange)
        while selector.get_map():
            ready = selector.select(LONGEST_S)
            if not ready:
                raise TimeoutError(f"the API was silent for {LONGEST_S:g} s")
            for key, events in ready:
                _turn(selector, key, events)


def _turn(selector: selectors.BaseSelector, key: selectors.SelectorKey, events: int) -> None:
    exchange: Exchange = key.data
    watched: int | None = key.events
    if events & selectors.EVENT_WRITE:
        watched = exchange.send()
    if events & selectors.EVENT_READ and (answer := exchange.receive()) is not None:
        watched = exchange.begin(answer)
    if watched is None:
        selector.unregister(exchange.socket)
    elif watched != key.events:
        selector.modify(exchange.socket, watched, exchange)
