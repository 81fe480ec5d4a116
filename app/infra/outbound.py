"""The only way out: HTTP calls to endpoints, to vetted addresses alone, each with one end to all of its waits.

Made for gevent: the clock over a call is `gevent.Timeout`, which ends the look-up of the name, the connect, TLS,
the head and the body alike; so the process must be patched.
"""

import contextlib
import functools
import http.client
import io
import ipaddress
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
from gevent import monkey
from gevent.threadpool import ThreadPool
from urllib3.connection import port_by_scheme
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import parse_url

from app.infra import addresses, polling
from app.infra.addresses import Network

ANSWER_MAX = 2**20  # bytes of a body; one that is longer is a failure
HEAD_MAX = 64 * 1024  # bytes of the head, and of what comes before it
INTERIM_MAX = 1_000  # answers of 1xx before the one that counts: one in each 0.6 s of the longest call
FRAMES_MAX = 256 * 1024  # bytes of what frames a body
PIECE = 64 * 1024
LOOKUPS = 32  # names looked up at once, each in a thread: a resolver that hangs holds up nothing else
IDLE_MOST = 100  # idle connections kept for each endpoint, however many it may have
DEFAULTS = {"Accept-Encoding": "identity", "User-Agent": "rowline", "Content-Type": "application/json"}
"""Headers that are sent unless an endpoint has its own."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
Resolver = Callable[[str, int], Sequence[str]]


class CallError(Exception):
    """The call had no answer that counts; the message says why, in words for whoever runs the endpoint."""


class NotAllowed(CallError):
    """The endpoint is where nothing is called, unless ROWLINE_WEBHOOK_ALLOW says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint answered. Header names are in lower case; bodies are not decompressed."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of `host`, by the machine's resolver. Raises OSError. Called in a thread of its own."""
    found = monkey.get_original("socket", "getaddrinfo")(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Outbound:
    """Calls endpoints. One a process."""

    def __init__(self, *, allowed: Sequence[Network], resolver: Resolver = resolve) -> None:
        """Prepare; `allowed` are networks that may be called though they are not public."""
        self._allowed, self._resolver = allowed, resolver
        self._threads = ThreadPool(LOOKUPS)
        self._asking: dict[tuple[str, int], gevent.Greenlet] = {}
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def to(
        self, url: str, *, method: str = "POST", headers: Mapping[str, str] = NO_HEADERS, concurrency: int = 1
    ) -> "Target":
        """Prepare to call `url`, so many times at once. `close()` it.

        Raises CallError if it is none that `addresses.url_fault` lets pass.
        """
        try:
            return Target(self, url, method=method, headers=headers, concurrency=concurrency)
        except (HTTPError, ValueError) as error:
            raise CallError(f"the URL cannot be read: {_words(error)}") from error

    def vetted(self, host: str, port: int) -> list[str]:
        """Resolve `host` once and return its addresses. Raises CallError, NotAllowed among it."""
        if not addresses.port_is_open(port):
            raise CallError(f"port {port} may not be called")
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in self._looked_up(host, port)]
        except (OSError, UnicodeError) as error:
            raise CallError(f"the name {host} cannot be resolved: {_words(error)}") from error
        except ValueError as error:
            raise CallError(f"the name {host} has an address that cannot be read") from error
        if not found:
            raise CallError(f"the name {host} has no address")
        if any(not addresses.is_open(address, self._allowed) for address in found):
            raise NotAllowed(f"{host} is not public: it has an address that may not be called")
        return [str(address) for address in found]

    def _looked_up(self, host: str, port: int) -> Sequence[str]:
        """Look up, or wait for whoever does it already: a name that hangs keeps one thread, however many call it."""
        if (host, port) not in self._asking:
            self._asking[host, port] = gevent.spawn(self._ask, host, port)
        found: Sequence[str] | Exception = self._asking[host, port].get()
        if isinstance(found, Exception):
            raise found
        return found

    def _ask(self, host: str, port: int) -> Sequence[str] | Exception:
        """Ask the resolver, in a greenlet that nobody's clock ends. Returns what it raises."""
        try:
            found: Sequence[str] = self._threads.apply(self._resolver, (host, port))
        except (OSError, UnicodeError) as error:
            return error
        finally:
            del self._asking[host, port]
        return found

    def connection(self, *, scheme: str, host: str, port: int) -> "_Http | _Https":
        """Make a connection to one place, not open yet. Each time it is opened, it goes to an address vetted then."""
        if scheme == "https":
            return _Https(host, port, ssl_context=self._tls, vetted=self.vetted)
        return _Http(host, port, vetted=self.vetted)


class Target:
    """One endpoint, what it is sent each time, and the connections kept to it."""

    def __init__(
        self, outbound: Outbound, url: str, *, method: str, headers: Mapping[str, str], concurrency: int
    ) -> None:
        """Read the URL; nothing is opened yet."""
        parts = urlsplit(url)
        host, port = (parts.hostname or "").strip("[]"), addresses.port_of(parts)
        self._method, self._head = method, _head(method, url, headers)
        self._connection = functools.partial(outbound.connection, scheme=parts.scheme, host=host, port=port)
        self._idle: list[_Http | _Https] = []  # the one that was used last comes first, so that few are warm
        # With fewer than there are calls at once, most calls would open one.
        self._idle_most = min(concurrency, IDLE_MOST)

    def call(self, *, headers: Mapping[str, str], body: bytes, timeout_ms: int) -> Answer:
        """Send one request and read its answer, within `timeout_ms` for all of it. Raises CallError.

        `headers` come after those of the target, and name none of them. Follows no redirect, knows no proxy. Repeats
        nothing but what was sent over a kept connection that ended before any of an answer came: that once, over a new
        one, since endpoints close what is idle without a word. Who got it twice sees the same headers twice.
        """
        rest = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        request = b"%bContent-Length: %d\r\n%b\r\n%b" % (self._head, len(body), rest.encode("ascii"), body)
        try:
            with gevent.Timeout(timeout_ms / 1000, _TooSlow):
                return self._call(request)
        except _TooSlow:
            raise CallError(f"the endpoint did not answer within {timeout_ms} ms") from None

    def close(self) -> None:
        """Close the connections that are idle; those in use close after their calls."""
        self._idle_most = 0
        while self._idle:
            self._idle.pop().close()

    def _call(self, request: bytes) -> Answer:
        conn, is_kept = self._idle.pop() if self._idle else self._connection(), False
        try:
            answer, is_kept = self._exchange(conn, request)
        except (HTTPError, HTTPException, OSError) as error:
            raise CallError(_cause(error)) from error
        finally:  # the end of our time too
            if is_kept and len(self._idle) < self._idle_most:
                self._idle.append(conn)
            else:
                conn.close()
        return answer

    def _exchange(self, conn: "_Http | _Https", request: bytes) -> tuple[Answer, bool]:
        """Exchange over a connection that was kept if it still is one, and else over a new one."""
        if conn.is_connected:
            kept = _Bounded(_socket_of(conn), limit=HEAD_MAX)
            try:
                return _exchange(kept, self._method, request)
            except (HTTPException, OSError):
                if kept.has_begun:
                    raise
        conn.close()  # which the endpoint has done before us, or while we sent
        conn.connect()
        return _exchange(_Bounded(_socket_of(conn), limit=HEAD_MAX), self._method, request)


def _socket_of(conn: "_Http | _Https") -> socket.socket:
    assert conn.sock
    return conn.sock


def _head(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    """Write what every request to `url` begins with. Raises CallError, or urllib3's errors for a URL."""
    parts, given = urlsplit(url), {name.lower() for name in headers}
    named = parts.hostname or ""
    host = f"[{named}]" if ":" in named else named.rstrip(".")
    place = host if addresses.port_of(parts) == port_by_scheme.get(parts.scheme) else f"{host}:{parts.port}"
    lines = [f"{method} {parse_url(url).request_uri} HTTP/1.1", f"Host: {place}"]
    lines += [f"{name}: {value}" for name, value in DEFAULTS.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise CallError("a header of the endpoint has a line end in it")
    return "".join([f"{line}\r\n" for line in lines]).encode("ascii")


class _TooSlow(BaseException):
    """The time for a call is over. No Exception: no library may take it for its own trouble."""


class _Flood(OSError):
    """More came than an answer may have."""


def _exchange(bounded: "_Bounded", method: str, request: bytes) -> tuple[Answer, bool]:
    """Send a request and read the answer; say whether the connection can be used again.

    Raises HTTPException, OSError, CallError.
    """
    # Who answers before he has read all may close: his answer counts.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        bounded.sock.sendall(request)
    stand_in: Any = bounded
    response = http.client.HTTPResponse(stand_in, method=method)
    _begin(response)
    if bounded.is_over:  # which http.client takes for the end of a head
        raise http.client.IncompleteRead(b"")
    bounded.allow(ANSWER_MAX + FRAMES_MAX)
    body = b"".join(_pieces(response))
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    names = {name.lower(): value for name, value in response.headers.items()}
    answer = Answer(status=response.status, reason=response.reason, headers=names, body=body)
    return answer, not response.will_close


def _begin(response: http.client.HTTPResponse) -> None:
    """Read up to the end of the head of the answer; any 1xx before it says only that the answer will come.

    Raises HTTPException, OSError, CallError.
    """
    response.begin()
    for _ in range(INTERIM_MAX):
        if not 100 <= response.status < 200:  # noqa: PLR2004 -- what is no answer yet
            return
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise CallError("the endpoint answered 101 Switching Protocols, which was not asked for")
        gevent.sleep(0)  # many may come at once
        response.headers = None  # type: ignore[assignment]  # it begins only where none were read
        response.begin()
    raise CallError(f"the endpoint said 1xx over {INTERIM_MAX} times before its answer")


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    size = 0
    while piece := response.read(PIECE):
        size += len(piece)
        if size > ANSWER_MAX:
            raise CallError(f"the answer is longer than {ANSWER_MAX} bytes")
        yield piece


class _Bounded(io.RawIOBase):
    """What comes from a socket, up to a limit. Lets others run now and then: a flood never makes them wait."""

    def __init__(self, sock: socket.socket, *, limit: int) -> None:
        super().__init__()
        self.sock, self._receive = sock, sock.recv_into
        self.has_begun = False  # whether anything has come
        self.is_over = False  # whether the other side has closed
        self.allow(limit)

    def allow(self, limit: int) -> None:
        """Let `limit` bytes come from now on."""
        self._left, self._rests_at = limit, limit - PIECE

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Give what http.client asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._receive(buffer)
        self.has_begun, self.is_over = self.has_begun or count > 0, not count
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
    for address in vetted(conn._dns_host, conn.port):  # noqa: SLF001 -- the name with its last dot
        try:
            opened = socket.create_connection((address, conn.port))
        except OSError as error:
            trouble = error
            continue
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    raise CallError(f"the endpoint cannot be reached: {_words(trouble or OSError('no address'))}") from trouble


class _Vetted:
    """What both kinds of connection do in our way."""

    sock: socket.socket | None

    def __init__(self, *arguments: Any, vetted: Callable[[str, int], list[str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._vetted = vetted

    def _new_conn(self) -> socket.socket:
        return _open(self._vetted, self)

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: asked before each call, so it must cost no turn."""
        return self.sock is not None and not polling.has_unread(self.sock.fileno())


class _Http(_Vetted, urllib3.connection.HTTPConnection):
    pass


class _Https(_Vetted, urllib3.connection.HTTPSConnection):
    pass


def _cause(error: Exception) -> str:
    """Say in one line why there is no answer; not the library's words, which name objects and addresses of memory."""
    if isinstance(error, SSLError | ssl.SSLError):
        return f"TLS with the endpoint failed: {_words(error)}"
    if isinstance(error, _Flood) or isinstance(error.__cause__, _Flood) or isinstance(error.__context__, _Flood):
        return f"the answer is longer than {ANSWER_MAX} bytes, or its head than {HEAD_MAX}"
    return f"the connection broke before the answer was whole: {_words(error)}"


def _words(error: BaseException) -> str:
    inner = error.args[-1] if error.args and isinstance(error.args[-1], BaseException) else error
    return (getattr(inner, "strerror", None) or str(inner) or type(inner).__name__).split("\n")[0][:300]
