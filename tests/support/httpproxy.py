"""A TCP proxy before the API that fails as networks and load balancers do, one request after the other."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from enum import Enum

LATER = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"
LATER_UNKNOWN = (
    b'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 22\r\n\r\n{"outcome": "unknown"}'
)
ELSEWHERE = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


class Fault(Enum):
    """What becomes of one request."""

    NONE = "it passes, and its answer too"
    HOLD_ANSWER = "its answer passes when the client has said that it sends no more"
    LOSE_ANSWER = "the service answers, and the connection is cut before the answer has passed"
    HALF_ANSWER = "the same after some bytes of the answer"
    CUT = "the connection is cut before the service has seen anything"
    SAY_LATER = "it is answered with 503 and Retry-After, and the service sees nothing"
    LOSE_AND_SAY_LATER = "the service answers, and what passes is 503 with an unknown outcome"
    PAGE = "it is answered with a page of something else"
    OTHER_JSON = "it is answered with the JSON of something else"
    REDIRECT = "it is answered with a redirect to another origin"
    NOTHING = "it is answered with a stream that ends before it has begun"
    ID_ALONE = "it is answered with a stream that begins, and ends after an id without an event"
    ONE_EVENT = "it is answered with a stream that begins, and ends after one event"


def _stream(*blocks: bytes) -> bytes:
    body = b"".join(block + b"\n\n" for block in blocks)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


HELLO = b'id: 5\nevent: hello\ndata: {"cursor":5}'
OWN_ANSWERS = {
    Fault.NOTHING: _stream(),
    Fault.ID_ALONE: _stream(HELLO, b":\nid: 71"),
    Fault.ONE_EVENT: _stream(HELLO, b'id: 72\nevent: added\ndata: {"type":"added"}'),
    Fault.SAY_LATER: LATER,
    Fault.PAGE: b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    Fault.OTHER_JSON: b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}',
    Fault.REDIRECT: ELSEWHERE,
}


class HttpProxy:
    """Listens on a port of loopback. `plan` has the faults of the next requests, in order; then all passes."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.plan: list[Fault] = []
        self.requests: list[bytes] = []  # as they came
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Accept until closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self._open.append(client)
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def cut(self) -> None:
        """Cut all that is open."""
        for side in list(self._open):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while request := _message(client):
                self.requests.append(request)
                fault = self.plan.pop(0) if self.plan else Fault.NONE
                if not self._pass(client, request, fault):
                    return

    def _pass(self, client: socket.socket, request: bytes, fault: Fault) -> bool:
        """See to one request; say whether the connection goes on."""
        if fault is Fault.CUT:
            return False
        if fault in OWN_ANSWERS:
            client.sendall(OWN_ANSWERS[fault])
            return True
        with socket.create_connection(("127.0.0.1", self.to_port), timeout=60) as server:
            self._open.append(server)
            server.sendall(request)
            leaving = threading.Thread(target=_pass_end, args=(client, server))
            leaving.start()
            answer = _message(server)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            leaving.join()
        if fault is Fault.LOSE_AND_SAY_LATER:
            client.sendall(LATER_UNKNOWN)
            return True
        if fault is Fault.HOLD_ANSWER:
            client.recv(1, socket.MSG_PEEK)
        passes = fault in {Fault.NONE, Fault.HOLD_ANSWER}
        client.sendall(answer if passes else answer[:20] if fault is Fault.HALF_ANSWER else b"")
        return passes and bool(answer)


def _message(side: socket.socket) -> bytes:
    """Read one request or answer, as far as it comes. One without a length has no body."""
    received = b""
    for chunk in _chunks(side):
        received += chunk
        head, blank, body = received.partition(b"\r\n\r\n")
        if not blank:
            continue
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not lengths or len(body) >= int(lengths[0].partition(b":")[2]):
            break
    return received


def _chunks(side: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while chunk := side.recv(1 << 20):
            yield chunk


def _pass_end(client: socket.socket, server: socket.socket) -> None:
    """Tell the service that the client sends no more, if that is so before the answer is there."""
    with contextlib.suppress(OSError):
        heard, _, _ = select.select([client, server], [], [])
        if client in heard and not client.recv(1, socket.MSG_PEEK):
            server.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def before(to_port: int) -> Iterator[HttpProxy]:
    """Run a proxy before a service of this machine during the block."""
    proxy = HttpProxy(to_port)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
