"""A TCP proxy before PostgreSQL that fails as networks do."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from enum import Enum
from urllib.parse import parse_qs, urlsplit

BEGIN, COMMIT, ROLLBACK = (
    b"Q\x00\x00\x00%c%s\x00" % (len(word) + 5, word) for word in (b"BEGIN", b"COMMIT", b"ROLLBACK")
)
"""As the protocol has them."""
INSERT = re.compile(rb"P....([^\x00]*)\x00[^\x00]*insert into rowline\.jobs", re.DOTALL)
"""Preparing the statement that adds jobs, under a name or none; outside a transaction it carries its own commit."""


class Fault(Enum):
    """What the proxy does with what it reads."""

    NONE = "it passes everything on"
    SWALLOW = "it passes nothing on, and closes nothing: a link that is gone without a word"
    DROP_NOTIFICATIONS = "it passes everything on but wake-ups"
    CUT_READS = "it closes both sides when anything is asked over a connection that only reads"
    CUT_BEFORE_COMMIT = "it closes both sides when a commit comes, and the server never sees it"
    CUT_AFTER_COMMIT = "it passes a commit on, and closes both sides when its answer comes"


class FaultProxy:
    """Listens on a port of loopback; what it does can be changed at any time, and holds for open connections too."""

    def __init__(self, server_url: str) -> None:
        """Stand before the server on whose Unix socket `server_url` is."""
        parts = urlsplit(server_url)
        query = parse_qs(parts.query)
        self._path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: list[_Link] = []
        self.fault = Fault.NONE
        self.url = f"postgresql://{parts.username}@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"

    def run(self) -> None:
        """Accept until closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                link = _Link(self, client, self._server())
                self._links.append(link)
                link.start()

    def _server(self) -> socket.socket | None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._path)
        except OSError:
            server.close()
            return None
        return server

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.end()


class _Link:
    """One connection: a thread for each direction."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket | None) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._is_answer_cut = self._is_in_block = self._only_reads = False
        self._inserts: set[bytes] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        if self._server is None:
            self._client.close()
            return
        self._thread.start()

    def end(self) -> None:
        """Cut what is still open, and wait until it is closed."""
        if self._server is not None:
            self._cut()
            self._thread.join()

    def _run(self) -> None:
        assert self._server
        asking = threading.Thread(target=self._ask, daemon=True)
        asking.start()
        self._answer()
        asking.join()
        self._client.close()
        self._server.close()

    def _ask(self) -> None:
        assert self._server
        for chunk in _chunks(self._client):
            fault = self._proxy.fault
            self._only_reads |= b"default_transaction_read_only=on" in chunk
            if fault is Fault.SWALLOW:
                continue
            if fault is Fault.CUT_READS and self._only_reads:
                break
            commits = self._commits(chunk)
            if commits and fault is Fault.CUT_BEFORE_COMMIT:
                break
            self._is_answer_cut |= commits and fault is Fault.CUT_AFTER_COMMIT
            with contextlib.suppress(OSError):
                self._server.sendall(chunk)
        self._cut()

    def _commits(self, chunk: bytes) -> bool:
        """Tell whether a chunk of what is asked makes the server commit jobs."""
        prepared = {match[1] for match in INSERT.finditer(chunk)}
        self._inserts |= prepared - {b""}
        inserts = b"" in prepared or any(  # one with a name is prepared apart from being run
            b"B\x00\x00" in chunk and b"\x00%s\x00" % name in chunk for name in self._inserts
        )
        if BEGIN in chunk:
            self._is_in_block = True
        if COMMIT in chunk or ROLLBACK in chunk:
            self._is_in_block = False
        return COMMIT in chunk or (inserts and not self._is_in_block)

    def _answer(self) -> None:
        assert self._server
        for chunk in _chunks(self._server):
            if self._is_answer_cut:
                break
            if self._proxy.fault is Fault.DROP_NOTIFICATIONS and _is_notification(chunk):
                continue
            if self._proxy.fault is not Fault.SWALLOW:
                with contextlib.suppress(OSError):
                    self._client.sendall(chunk)
        self._cut()

    def _cut(self) -> None:
        assert self._server
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def _is_notification(chunk: bytes) -> bool:
    """Tell whether this is one notification and nothing else, as it comes to a connection that only listens."""
    return chunk[:1] == b"A" and int.from_bytes(chunk[1:5]) + 1 == len(chunk)


def _chunks(side: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while chunk := side.recv(1 << 20):
            yield chunk


@contextlib.contextmanager
def before(server_url: str) -> Iterator[FaultProxy]:
    """Run a proxy before a server during the block."""
    proxy = FaultProxy(server_url)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
