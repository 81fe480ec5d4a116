"""Requests over pooled connections, with retries where they are safe."""

import itertools
import json
import os
import random
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from rowline import bodies, errors
from rowline.bodies import Stream
from rowline.errors import RowlineError, Unavailable
from rowline.given import encoded
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, SSLError

R = TypeVar("R")
CONNECTIONS_KEPT = 16
CONNECT_S = 5.0  # the longest wait for a connection
TRIES = 3  # a try without a response ends after one TRIES-th of the time, at least SHORTEST_TRY_S
SHORTEST_TRY_S = 1.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
LONGEST_ASKED_S = 24 * 3600  # the most that Retry-After can ask for
AGAIN = frozenset({429, 502, 503, 504})
REDIRECTS = range(300, 400)
FRAMED = {"content-length", "transfer-encoding"}  # a response with a complete head has one of them
CLOSED = "closed"
IN_USE = "idempotency_key_in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `path` is relative to the service's URL, percent-encoded."""

    method: str
    path: str
    body: Any = None  # a JSON value; bytes are JSON already; None sends none
    query: Mapping[str, str | int | list[str]] | None = None  # of a list, each
    headers: Mapping[str, str] | None = None
    attempt_token: str | None = None  # sent instead of the API token
    is_repeatable: bool = True  # whether it is idempotent, so that it can be retried
    wait_s: float = 0.0  # how long the service may delay the response on purpose (long poll)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response with a status of 2xx. The names of `headers` are in any case."""

    body: bytes
    headers: Mapping[str, str]

    def read(self, read: Callable[[Any], R]) -> R:
        """Parse the JSON by `read`. Raises RowlineError if the response is not Rowline's."""
        return self.read_text(lambda body: read(json.loads(body)))

    def read_text(self, read: Callable[[bytes], R]) -> R:
        """Do what `read` does, with a function that takes the bytes."""
        try:
            return read(self.body)
        except bodies.UNREADABLE as error:
            shown = self.body[:100].decode(errors="replace")
            raise RowlineError(f"this is not a response of Rowline: {shown!r}", code="not_rowline") from error


class Transport:
    """Sends calls to one service. Safe to use from many threads, and after a fork."""

    def __init__(
        self, url: str, token: str, *, timeout_s: float, on_retry: Callable[[RowlineError], object] | None = None
    ) -> None:
        """Take the URL, the API token and the time limit of calls; connects on the first call. Raises ValueError."""
        self._address, self._timeout_s, self._on_retry = _checked(url), timeout_s, on_retry
        if not token:
            raise ValueError("a token is required: pass one, or set ROWLINE_TOKEN")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("the token must be printable ASCII without spaces")
        self._token = token
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open()

    def _open(self) -> None:
        self._pid, self._connections = os.getpid(), _Connections()
        kept: dict[str, Any] = {"maxsize": CONNECTIONS_KEPT, "connections": self._connections}
        parts = urlsplit(self._address)
        self._pool: urllib3.HTTPConnectionPool
        if parts.scheme == "https":
            self._pool = urllib3.HTTPSConnectionPool(parts.hostname or "", parts.port, **kept)
            self._pool.ConnectionCls = _SafeConnection
        else:
            self._pool = urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, **kept)
            self._pool.ConnectionCls = _PlainConnection
        self._base = parts.path.rstrip("/")

    def _pool_of_this_process(self) -> urllib3.HTTPConnectionPool:
        """Return the pool; a new one after a fork, since two processes cannot share a connection."""
        with self._lock:
            if self._pid != os.getpid():
                self._open()
            return self._pool

    def close(self) -> None:
        """Close idle connections, and end running calls; waiting claims return what the service has leased already."""
        self._closed.set()
        self._connections.end()
        self._pool.close()

    def send(self, call: Call, *, timeout_s: float | None = None) -> Answer:
        """Send a call, and retry it while that is safe and within the time limit. Raises RowlineError."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        ends_at = time.monotonic() + limit_s + call.wait_s
        silence_s = max(SHORTEST_TRY_S, limit_s / TRIES) + call.wait_s
        for tries in itertools.count():
            left_s = max(0.01, ends_at - time.monotonic())
            try:
                return self._try(call, min(silence_s, left_s), left_s)
            except _Again as trouble:
                error, pause_s = trouble.error, max(trouble.pause_s, _backoff_s(tries))
            if self._on_retry and not self._closed.is_set():
                self._on_retry(error)
            unknown = isinstance(error, Unavailable) and error.is_outcome_unknown
            if unknown and not call.is_repeatable:
                raise error
            if time.monotonic() + pause_s >= ends_at or self._closed.wait(pause_s):
                raise error
        raise AssertionError("counting has no end")

    def _try(self, call: Call, silence_s: float, left_s: float) -> Answer:
        """Send once. Raises _Again if a retry may succeed, else RowlineError."""
        response = self._begun(call, silence_s, left_s)
        if response.status >= REDIRECTS.start:
            raise self._refused(call, response)
        bodies.require_plain(response)
        return Answer(body=self._body(response), headers=response.headers)

    def _begun(self, call: Call, silence_s: float, left_s: float) -> urllib3.BaseHTTPResponse:
        """Send once; return the response, of which the head is read. Raises as `_try`."""
        if self._closed.is_set():
            raise Unavailable("the client was closed", code=CLOSED)
        query = f"?{urlencode(call.query, doseq=True)}" if call.query else ""
        body = None if call.body is None else _encoded(call.body)
        try:
            return self._pool_of_this_process().urlopen(
                call.method,
                f"{self._base}{call.path}{query}",
                body=body,
                headers=self._headers(call),
                retries=False,
                redirect=False,  # the token must not be sent to another host
                timeout=urllib3.Timeout(connect=min(CONNECT_S, left_s), read=silence_s),
                preload_content=False,
                decode_content=False,
            )
        except HTTPError as error:
            raise self._unanswered(error) from error

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Return the body of a response. Raises as `_try`."""
        try:
            body = bodies.whole(response)
        except HTTPError as error:
            raise self._unanswered(error) from error
        if not body and not FRAMED & {name.lower() for name in response.headers}:
            raise _Again(bodies.lost(f"the response of {self._address} ended within its head"))
        return body

    def _unanswered(self, error: HTTPError) -> Exception:
        """Return the error for a missing response: _Again if a retry may succeed."""
        trouble = bodies.lost(f"no response from {self._address}: {_said(error)}")
        was_sent = not isinstance(error, ConnectTimeoutError)  # the class of refused connections too
        trouble.is_outcome_unknown = was_sent and not _is_mistrusted(error)
        return trouble if _is_mistrusted(error) else _Again(trouble)

    def _refused(self, call: Call, response: urllib3.BaseHTTPResponse) -> Exception:
        """Return the error that a response of 300 and above is: _Again if a retry may succeed.

        Of one that is encoded only the status is told.
        """
        body = b""
        if bodies.encoding(response):
            response.close()
        else:
            body = self._body(response)
        refused = errors.of(response.status, body, of_attempt=call.attempt_token is not None)
        if response.status in REDIRECTS:
            where = response.headers.get("Location")
            return RowlineError(f"redirected to {where}: use that URL", status=response.status, code="redirected")
        if response.status in AGAIN or refused.code == IN_USE:
            return _Again(refused, pause_s=retry_after_s(response.headers.get("Retry-After")))
        return refused

    def stream(self, call: Call, *, silence_s: float) -> Stream:
        """Send a call once; return its response as it comes. Raises RowlineError: Unavailable if it may be retried."""
        try:
            response = self._begun(call, silence_s, self._timeout_s)
            if response.status >= REDIRECTS.start:
                raise self._refused(call, response)
            bodies.require_plain(response)
        except _Again as trouble:
            raise trouble.error from trouble
        return Stream(response)

    def pause(self, tries: int) -> None:
        """Wait before another try, after so many; not once the client is closed."""
        self._closed.wait(_backoff_s(tries))

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {call.attempt_token or self._token}",
            "User-Agent": "rowline-python",
            **(call.headers or {}),
        }
        return headers if call.body is None else headers | {"Content-Type": "application/json"}


class _Again(Exception):
    """A failed try that may be retried, after `pause_s`."""

    def __init__(self, error: RowlineError, *, pause_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.pause_s = error, pause_s


class _Connections:
    """The connections of one pool, including those in use, so that `close` can end waiting calls."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._is_ended = False

    def add(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._all.add(connection)
            if self._is_ended:
                _hang_up(connection)

    def end(self) -> None:
        with self._lock:
            self._is_ended = True
            for connection in self._all:
                _hang_up(connection)


def _hang_up(connection: HTTPConnection) -> None:
    """Shut down the sending side only, so that a response with leased jobs can still arrive.

    TLS cannot be half-closed: there the connection ends, and jobs just leased are recovered when their leases run out.
    """
    sock = connection.sock
    try:
        if isinstance(sock, ssl.SSLSocket):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        elif sock is not None:
            sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # closed already


class _PlainConnection(HTTPConnection):
    """A connection that registers with `_Connections`."""

    def __init__(self, *args: Any, connections: _Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections

    def connect(self) -> None:
        super().connect()
        self._connections.add(self)


class _SafeConnection(HTTPSConnection):
    """The same over TLS."""

    def __init__(self, *args: Any, connections: _Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections

    def connect(self) -> None:
        super().connect()
        self._connections.add(self)


def _checked(url: str) -> str:
    """Return the URL of a service without a slash at its end.

    Raises ValueError, which repeats nothing of the URL: it may contain a password or a token.
    """
    if not url:
        raise ValueError("the URL of a service is required: pass one, or set ROWLINE_URL")
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port)
    except ValueError:  # its message quotes the URL
        is_good = False
    if not is_good or any(sign in url for sign in "@?#"):
        raise ValueError("the URL must look like http://127.0.0.1:8080, without user, query or fragment")
    return url.rstrip("/")


def _encoded(value: Any) -> bytes:
    """Return JSON; bytes are that already.

    Raises TypeError or ValueError for values that are not JSON: nothing was sent then.
    """
    return value if isinstance(value, bytes) else encoded(value).encode()


def _said(error: HTTPError) -> str:
    """Return what an error says, without the object of the connection that urllib3 puts in front of it."""
    connection = getattr(error, "conn", None)
    return str(error).removeprefix(f"{connection}: ")


def _is_mistrusted(error: HTTPError) -> bool:
    """Whether the server's certificate was not trusted: a retry would not help."""
    return isinstance(error, SSLError) and any(isinstance(arg, ssl.SSLCertVerificationError) for arg in error.args)


def _backoff_s(tries: int) -> float:
    longest_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries, 10))
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret


def retry_after_s(retry_after: str | None) -> float:
    """Return the seconds of Retry-After plus jitter, so that not all clients retry at once; 0 for a date or none.

    They are at most LONGEST_ASKED_S, whatever it says.
    """
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return 0.0
    digits = retry_after.lstrip("0")[: len(str(LONGEST_ASKED_S)) + 1]
    return min(LONGEST_ASKED_S, int(digits or "0")) + random.uniform(0.0, FIRST_PAUSE_S)  # noqa: S311 - jitter is no secret


def quoted(name: str) -> str:
    """Quote a name for a path. Raises ValueError for names that would change the path."""
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is no name of a queue or a job")
    return quote(name, safe="")
