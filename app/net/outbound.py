"""Outbound HTTP calls to endpoints: only to allowed addresses, with one time limit for the whole call.

It needs gevent: the time limit is a `gevent.Timeout`, which covers the DNS lookup, the connect, TLS, the head and the
body; so the process must be patched.
"""

import contextlib
import functools
import http.client
import io
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import gevent
import urllib3
from urllib3.connection import port_by_scheme
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import parse_url

from app.net import addresses, connections, descriptors, polling
from app.net.addresses import Network
from app.net.answerhead import ChunkError, HeadError, Response
from app.net.connections import Connection, Connections
from app.net.descriptors import OutOfDescriptors
from app.net.lookups import Lookups, NotPublic, Resolver, Unusable, resolve

ANSWER_MAX = 2**20  # bytes of a response body; a longer one is a failure
HEAD_MAX = 64 * 1024  # bytes of the head, including interim responses
INTERIM_MAX = 1_000  # 1xx responses before the final one: one per 0.6 s of the longest call
FRAMES_MAX = 256 * 1024  # bytes of chunk framing around a body
PIECE = 64 * 1024
IDLE_MAX = 100  # the most idle connections kept per endpoint
DEFAULTS = {"Accept-Encoding": "identity", "User-Agent": "rowline", "Content-Type": "application/json"}
"""Headers that are sent unless an endpoint has its own."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class CallError(Exception):
    """The call had no final response; the message says why, for the operator of the endpoint."""


class NotAllowed(CallError):
    """The endpoint's address is not public, and ROWLINE_WEBHOOK_ALLOW does not allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The response of an endpoint. Header names are in lower case, repeated ones joined; the body is not decoded."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Calls endpoints. Create one per process."""

    def __init__(
        self, *, allowed: Sequence[Network], resolver: Resolver = resolve, shared: Connections | None = None
    ) -> None:
        """Allow public addresses, and those in the networks `allowed`; `resolver` is called in a thread.

        `shared` has the connections of all targets; by default as many as the limit of open files permits.
        """
        self.shared = shared or Connections(open_files=connections.open_files())
        self._lookups = Lookups(allowed=allowed, resolver=resolver)
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def to(
        self, url: str, *, method: str = "POST", headers: Mapping[str, str] = NO_HEADERS, concurrency: int = 1
    ) -> "Target":
        """Return a target for calls to `url`, up to `concurrency` at once; `close()` it.

        Raises CallError if `addresses.url_fault` rejects the URL.
        """
        try:
            return Target(self, url, method=method, headers=headers, concurrency=concurrency)
        except (HTTPError, ValueError) as error:
            raise CallError(f"the URL cannot be read: {_words(error)}") from error

    def vetted(self, host: str, port: int) -> list[str]:
        """Resolve `host`; return its first addresses. Raises CallError; NotAllowed if one may not be called."""
        try:
            return self._lookups.vetted(host, port)
        except NotPublic as error:
            raise NotAllowed(str(error)) from None
        except Unusable as error:
            raise CallError(str(error)) from None

    def connection(self, *, scheme: str, host: str, port: int) -> "_Http | _Https":
        """Make a connection, not open yet. Each time it is opened, the addresses are resolved and checked again."""
        if scheme == "https":
            return _Https(host, port, ssl_context=self._tls, vetted=self.vetted)
        return _Http(host, port, vetted=self.vetted)


class Target:
    """One endpoint: the fixed part of its requests, and its idle connections."""

    def __init__(
        self, outbound: Outbound, url: str, *, method: str, headers: Mapping[str, str], concurrency: int
    ) -> None:
        """Parse the URL; connections are opened on demand."""
        parts = urlsplit(url)
        host, port = (parts.hostname or "").strip("[]"), addresses.port_of(parts)
        self._method, self._head = method, _head(method, url, headers)
        self._connection = functools.partial(outbound.connection, scheme=parts.scheme, host=host, port=port)
        self._shared, self._idle = outbound.shared, connections.Stack()
        # With fewer than there are concurrent calls, most calls would open a new one.
        self._idle_max = min(concurrency, IDLE_MAX)

    def call(self, *, headers: Mapping[str, str], body: bytes, timeout_ms: int) -> Answer:
        """Send one request and read the response, within `timeout_ms` for the whole call. Raises CallError.

        Raises OutOfDescriptors if nothing was sent because no connection can be opened, whatever the endpoint.
        `headers` are added to those of the target, and must not repeat them. Follows no redirects and uses no proxy.
        If a kept connection ends before the first byte of the response, as when the endpoint has closed an idle one,
        the request is sent once more over a new connection, with the same headers.
        """
        rest = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        request = b"%bContent-Length: %d\r\n%b\r\n%b" % (self._head, len(body), rest.encode("ascii"), body)
        try:
            with gevent.Timeout(timeout_ms / 1000, _TooSlow):
                return self._call(request)
        except _TooSlow:
            raise CallError(f"the endpoint did not answer within {timeout_ms} ms") from None

    def close(self) -> None:
        """Close the idle connections; those in use are closed after their calls."""
        self._idle_max = 0
        self._shared.close(self._idle)

    def _call(self, request: bytes) -> Answer:
        conn, is_kept = self._shared.take(self._idle, self._connection), False
        try:
            answer, is_kept = self._exchange(conn, request)
        except (HTTPError, HTTPException, OSError) as error:
            raise CallError(_cause(error)) from error
        finally:  # after the timeout too
            is_kept = is_kept and len(self._idle) < self._idle_max
            self._shared.give_back(conn, self._idle if is_kept else None)
        return answer

    def _exchange(self, conn: Connection, request: bytes) -> tuple[Answer, bool]:
        """Send and receive over a kept connection if it is still open, else over a new one."""
        if conn.is_connected:
            kept = _Bounded(_socket_of(conn), limit=HEAD_MAX)
            try:
                return _exchange(kept, self._method, request)
            except (HTTPException, OSError):
                if kept.has_begun:
                    raise
        conn.close()  # the endpoint has closed it, before the request or during it
        self._connect(conn)
        return _exchange(_Bounded(_socket_of(conn), limit=HEAD_MAX), self._method, request)

    def _connect(self, conn: Connection) -> None:
        """Open a connection. If no descriptors are left, idle connections of other endpoints give theirs."""
        try:
            conn.connect()
        except OutOfDescriptors:
            self._shared.close_idle()
            conn.connect()


def _socket_of(conn: Connection) -> socket.socket:
    assert conn.sock
    return conn.sock


def _head(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    """Return the fixed part of the head of requests to `url`. Raises CallError, or urllib3's errors for a URL."""
    parts, given = urlsplit(url), {name.lower() for name in headers}
    named = parts.hostname or ""
    host = f"[{named}]" if ":" in named else named.rstrip(".")
    place = host if addresses.port_of(parts) == port_by_scheme.get(parts.scheme) else f"{host}:{parts.port}"
    lines = [f"{method} {parse_url(url).request_uri} HTTP/1.1", f"Host: {place}"]
    lines += [f"{name}: {value}" for name, value in DEFAULTS.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise CallError("a header of the endpoint contains a line break")
    return "".join([f"{line}\r\n" for line in lines]).encode("ascii")


class _TooSlow(BaseException):
    """The time limit of a call is over. Not an Exception, so that no library catches it."""


class _Flood(OSError):
    """A limit of a response was exceeded."""


def _exchange(bounded: "_Bounded", method: str, request: bytes) -> tuple[Answer, bool]:
    """Send a request and read the response; return whether the connection can be used again.

    Raises HTTPException, OSError, CallError.
    """
    # An endpoint may respond and close before it has read the whole request: its response counts.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        bounded.sock.sendall(request)
    stand_in: Any = bounded
    response = Response(stand_in, method=method)
    _begin(response)
    bounded.allow(ANSWER_MAX + FRAMES_MAX)
    body = b"".join(_pieces(response))
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    answer = Answer(status=response.status, reason=response.reason, headers=response.fields, body=body)
    return answer, not response.will_close


def _begin(response: Response) -> None:
    """Read up to the end of the head of the final response; 1xx responses before it are ignored.

    Raises HTTPException, OSError, CallError.
    """
    response.begin()
    for _ in range(INTERIM_MAX):
        if not 100 <= response.status < 200:  # noqa: PLR2004 -- interim responses
            return
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise CallError("the endpoint answered 101 Switching Protocols, which was not asked for")
        gevent.sleep(0)  # many may arrive at once
        response.begin()
    raise CallError(f"the endpoint said 1xx over {INTERIM_MAX} times before its answer")


def _pieces(response: Response) -> Iterator[bytes]:
    size = 0
    while piece := response.read(PIECE):
        size += len(piece)
        if size > ANSWER_MAX:
            raise CallError(f"the answer is longer than {ANSWER_MAX} bytes")
        yield piece


class _Bounded(io.RawIOBase):
    """Reads from a socket, up to a limit of bytes. It yields to other greenlets now and then, even in a flood."""

    def __init__(self, sock: socket.socket, *, limit: int) -> None:
        super().__init__()
        self.sock, self._receive = sock, sock.recv_into
        self.has_begun = False  # whether any byte was received
        self.allow(limit)

    def allow(self, limit: int) -> None:
        """Allow `limit` bytes from now on."""
        self._left, self._rests_at = limit, limit - PIECE

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file that http.client asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._receive(buffer)
        self.has_begun = self.has_begun or count > 0
        self._left -= count
        if self._left <= self._rests_at:
            self._rests_at = self._left - PIECE
            gevent.sleep(0)
        if self._left < 0:
            raise _Flood
        return count


def _open(vetted: Callable[[str, int], list[str]], conn: Any) -> socket.socket:
    """Connect to the addresses of a connection's host, one after the other. Raises CallError."""
    trouble: OSError | None = None
    for address in vetted(conn._dns_host, conn.port):  # noqa: SLF001 -- the name with its trailing dot
        try:
            opened = socket.create_connection((address, conn.port))
        except OSError as error:
            if descriptors.caused(error):
                raise OutOfDescriptors(f"no connection can be opened: {_words(error)}") from error
            trouble = error
            continue
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    raise CallError(f"the endpoint cannot be reached: {_words(trouble or OSError('no address'))}") from trouble


class _Vetted:
    """The overrides of both kinds of connection."""

    sock: socket.socket | None

    def __init__(self, *arguments: Any, vetted: Callable[[str, int], list[str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._vetted = vetted

    def _new_conn(self) -> socket.socket:
        return _open(self._vetted, self)

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again. It is called before each call, so it must not yield."""
        return self.sock is not None and not polling.has_unread(self.sock.fileno())


class _Http(_Vetted, urllib3.connection.HTTPConnection):
    pass


class _Https(_Vetted, urllib3.connection.HTTPSConnection):
    pass


def _cause(error: Exception) -> str:
    """Return one line about why there is no response; the libraries' messages contain object ids."""
    if isinstance(error, SSLError | ssl.SSLError):
        return f"TLS with the endpoint failed: {_words(error)}"
    if isinstance(error, _Flood) or isinstance(error.__cause__, _Flood) or isinstance(error.__context__, _Flood):
        return f"the answer is longer than {ANSWER_MAX} bytes, or its head than {HEAD_MAX}"
    if isinstance(error, HeadError):
        return f"the head of the answer is not HTTP: {error}"
    if isinstance(error, ChunkError):
        return f"the body of the answer is not HTTP: {error}"
    return f"the connection broke before the answer was whole: {_words(error)}"


def _words(error: BaseException) -> str:
    inner = error.args[-1] if error.args and isinstance(error.args[-1], BaseException) else error
    return (getattr(inner, "strerror", None) or str(inner) or type(inner).__name__).split("\n")[0][:300]
