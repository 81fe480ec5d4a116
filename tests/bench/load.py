"""The load client: raw sockets, bytes made beforehand, one select loop. Its own process; a request is always under way.

    python -m tests.bench.load CONNECTIONS SIZE

POSTs batches of SIZE jobs; of 0, GETs /health/live. Any answer but 200 ends it.
"""

import itertools
import os
import re
import selectors
import socket
import sys
from collections.abc import Iterator

from app.infra import settings
from app.infra.settings import Settings
from tests.bench import jobs, window
from tests.bench.window import Window

LONGEST_S = 10.0  # for which nothing may happen at all
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


class Exchange:
    """One connection: a request goes out whole, then its answer comes in."""

    def __init__(self, chosen: Settings, requests: Iterator[bytes]) -> None:
        """Connect; `requests` is shared with other exchanges."""
        self._requests = requests
        self.socket = socket.create_connection((chosen.host, chosen.port), timeout=LONGEST_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._unsent = memoryview(b"")
        self._head, self._missing = b"", 0

    def begin(self) -> bool:
        """Send the next request, as far as the socket takes it; say whether it is out."""
        self._unsent = memoryview(next(self._requests))
        self._head, self._missing = b"", -1
        return self.send()

    def send(self) -> bool:
        """Send more of the request; say whether all of it is out."""
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return False
        return not self._unsent

    def receive(self) -> bool:
        """Take what has come of the answer; say whether it is whole."""
        chunk = self.socket.recv(1 << 20)
        if not chunk:
            raise ConnectionError("the API closed a connection")
        if self._missing >= 0:
            self._missing -= len(chunk)
        else:
            self._begin_answer(chunk)
        return self._missing == 0

    def _begin_answer(self, chunk: bytes) -> None:
        self._head += chunk
        end = self._head.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._head, 0, end)
        if not self._head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise ConnectionError(f"the API answered {self._head[:500]!r}")
        self._missing = int(length[1]) - (len(self._head) - end)


def drive(exchanges: list[Exchange], counting: Window, size: int) -> None:
    """Keep a request under way on each connection until the time is up; then wait for the last answers."""
    with selectors.DefaultSelector() as selector:
        for exchange in exchanges:
            is_out = exchange.begin()
            selector.register(exchange.socket, selectors.EVENT_READ if is_out else BOTH, exchange)
        while selector.get_map():
            ready = selector.select(LONGEST_S)
            if not ready:
                raise TimeoutError(f"the API was silent for {LONGEST_S:g} s")
            for key, events in ready:
                _turn(selector, key, events, counting, size)


def _turn(selector: selectors.BaseSelector, key: selectors.SelectorKey, events: int, counting: Window, n: int) -> None:
    exchange: Exchange = key.data
    watched = key.events
    if events & selectors.EVENT_WRITE and exchange.send():
        watched = selectors.EVENT_READ
    if events & selectors.EVENT_READ and exchange.receive():
        counting.add(n)
        if counting.is_over:
            selector.unregister(exchange.socket)
            return
        watched = selectors.EVENT_READ if exchange.begin() else BOTH
    if watched != key.events:
        selector.modify(exchange.socket, watched, exchange)


def _requests(chosen: Settings, size: int) -> list[bytes]:
    host = f"Host: {chosen.host}:{chosen.port}\r\n".encode()
    if not size:
        return [b"GET /health/live HTTP/1.1\r\n%s\r\n" % host]
    start = b"POST /queues/%s/jobs HTTP/1.1\r\n%sAuthorization: Bearer %s\r\nContent-Type: application/json\r\n" % (
        jobs.QUEUE.encode(),
        host,
        chosen.tokens[0].encode(),
    )
    return [start + b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in jobs.bodies(size)]


def main(connections: int, size: int) -> None:
    """Measure once."""
    chosen = settings.from_env(os.environ)
    requests = itertools.cycle(_requests(chosen, size))
    exchanges = [Exchange(chosen, requests) for _ in range(connections)]
    counting = window.agreed()
    drive(exchanges, counting, size or 1)
    counting.tell()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
