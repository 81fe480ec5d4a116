"""The only way out: HTTP calls to endpoints, to vetted addresses alone, each with one end to all of its waits.

Made for gevent: the clock over a call is `gevent.Timeout`, which ends the look-up of the name, the connect, TLS,
the head and the body alike; so the process must be patched.
"""

import http.client
import io
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent
import urllib3
from gevent import monkey
from gevent.threadpool import ThreadPool
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import Timeout

from app.infra import addresses, polling
from app.infra.addresses import Network

ANSWER_MAX = 2**20  # bytes of a body; one that is longer is a failure
HEAD_MAX = 64 * 1024  # bytes of the head, and of what comes before it
FRAMES_MAX = 256 * 1024  # bytes of what frames a body
PIECE = 64 * 1024
LOOKUPS = 32  # names looked up at once, each in a thread: a resolver that hangs holds up nothing else
IDLE_MOST = 100  # idle connections kept for each endpoint, however many it may have
Resolver = Callable[[str, int], Sequence[str]]


class CallError(Exception):
    """The call had no answer that counts; the message says why, in words for whoever runs the endpoint."""


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

    def to(self, url: str, *, concurrency: int = 1) -> "Target":
        """Prepare to call `url`, so many times at once. `close()` it.

        Raises CallError if it is none that `addresses.url_fault` lets pass.
        """
        try:
            return Target(self, url, concurrency=concurrency)
        except (HTTPError, ValueError) as error:
            raise CallError(f"the URL cannot be read: {_words(error)}") from error

    def vetted(self, host: str, port: int) -> list[str]:
        """Resolve `host` once and return its addresses. Raises CallError if any of them may not be called."""
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
            raise CallError(f"{host} is not public: it has an address that may not be called")
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

    def pool(self, *, scheme: str, host: str, port: int, idle: int) -> urllib3.HTTPConnectionPool:
        """Make a pool of connections to one place; each goes to an address that was vetted when it was opened.

        `idle` are kept for the next calls: with fewer than there are calls at once, most calls would open one.
        """
        options: dict[str, Any] = {"maxsize": idle, "block": False, "vetted": self.vetted}
        if scheme == "https":
            return _HttpsPool(host, port, ssl_context=self._tls, **options)
        return _HttpPool(host, port, **options)


class Target:
    """One endpoint, and the connections kept to it."""

    def __init__(self, outbound: Outbound, url: str, *, concurrency: int) -> None:
        """Read the URL; nothing is opened yet."""
        parts = urlsplit(url)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._pool = outbound.pool(
            scheme=parts.scheme,
            host=(parts.hostname or "").strip("[]"),
            port=addresses.port_of(parts),
            idle=min(concurrency, IDLE_MOST),
        )

    def call(self, *, method: str, headers: Mapping[str, str], body: bytes, timeout_ms: int) -> Answer:
        """Send one request and read its answer, within `timeout_ms` for all of it. Raises CallError.

        Follows no redirect, repeats nothing, knows no proxy.
        """
        try:
            with gevent.Timeout(timeout_ms / 1000, _TooSlow):
                return self._call(method, headers, body)
        except _TooSlow:
            raise CallError(f"the endpoint did not answer within {timeout_ms} ms") from None

    def close(self) -> None:
        """Close the connections that are idle; those in use close after their calls."""
        self._pool.close()

    def _call(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            response = self._pool.urlopen(
                method,
                self._path,
                body=body,
                headers={"Accept-Encoding": "identity", "User-Agent": "rowline"} | dict(headers),
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(total=None),
                preload_content=False,
                decode_content=False,
            )
            text = _read(response)
        except (HTTPError, OSError) as error:
            raise CallError(_cause(error)) from error
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status, reason=response.reason or "", headers=names, body=text)


class _TooSlow(BaseException):
    """The time for a call is over. No Exception: no library may take it for its own trouble."""


class _Flood(OSError):
    """More came than an answer may have."""


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read a body and give its connection back; close it, if it breaks off. Raises HTTPError, OSError, CallError."""
    try:
        body = b"".join(_pieces(response))
    except BaseException:  # the end of our time too
        response.close()
        raise
    response.release_conn()
    return body


def _pieces(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    size = 0
    while piece := response.read(PIECE, decode_content=False):
        size += len(piece)
        if size > ANSWER_MAX:
            raise CallError(f"the answer is longer than {ANSWER_MAX} bytes")
        yield piece


class _Bounded(io.RawIOBase):
    """What comes from a socket, up to a limit. Lets others run now and then: a flood never makes them wait."""

    def __init__(self, raw: Any, *, limit: int) -> None:
        super().__init__()
        self._raw, self.left = raw, limit
        self._rests_at = limit - PIECE  # of what is left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._raw.readinto(buffer) or 0)
        self.left -= count
        if self.left <= self._rests_at:
            self._rests_at = self.left - PIECE
            gevent.sleep(0)
        if self.left < 0:
            raise _Flood
        return count

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Response(http.client.HTTPResponse):
    """An answer that is read through `_Bounded`, its head and what comes before it too."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        buffered: Any = self.fp
        self._bounded = _Bounded(buffered.detach(), limit=HEAD_MAX)
        self.fp = io.BufferedReader(self._bounded)

    def begin(self) -> None:
        """Read the head, then allow for a body."""
        super().begin()
        self._bounded.left = ANSWER_MAX + FRAMES_MAX


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
    response_class = _Response


class _Https(_Vetted, urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


def _cause(error: HTTPError | OSError) -> str:
    """Say in one line why there is no answer; not the library's words, which name objects and addresses of memory."""
    if isinstance(error, SSLError | ssl.SSLError):
        return f"TLS with the endpoint failed: {_words(error)}"
    if isinstance(error, _Flood) or isinstance(error.__cause__, _Flood) or isinstance(error.__context__, _Flood):
        return f"the answer is longer than {ANSWER_MAX} bytes, or its head than {HEAD_MAX}"
    return f"the connection broke before the answer was whole: {_words(error)}"


def _words(error: BaseException) -> str:
    inner = error.args[-1] if error.args and isinstance(error.args[-1], BaseException) else error
    return (getattr(inner, "strerror", None) or str(inner) or type(inner).__name__).split("\n")[0][:300]
