"""The gunicorn worker of the API: gevent's, with limits on all waits for clients; idle ones do not delay a stop."""

import contextlib
import json
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

import gevent
from gevent.baseserver import BaseServer
from gunicorn import util
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.http import errors
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.ggevent import GeventWorker

from app.infra import log
from app.web import incoming, reading, throttling
from app.web.incoming import PIECE, BufferedSocket, ThrottledSocket

_log = logging.getLogger(__name__)

LINGER_S = 0.5
"""How long a stopping worker keeps idle connections open, for requests that are already in flight."""
TAKE_S = 1.0
"""How long a client that sent invalid HTTP has to read the response."""
SPARE_SHARE = 16
"""One in so many connections of a process is kept free for new clients."""
KNOWN = "rowline_known"
"""The attribute of the greenlet of a connection on which a valid token was sent."""
THROTTLED = "rowline_throttled"
"""That of the greenlet of a connection whose last request had to wait for its turn."""
TOKENS = "rowline-tokens"
"""The key of the valid tokens among the application's extensions."""
UNPARSED_S = 0.0005
"""The estimated CPU seconds of reading invalid HTTP and responding to it."""
CHUNKED_PIECE, UNAUTHENTICATED_CHUNKED_PIECE = 1024, 64
"""Bytes read at once when the rest of a chunked body is discarded: chunks of one byte take up to 8 us each."""
WAITING, ENDS, STREAMS = "rowline-waiting", "rowline-ends", "rowline-streams"
"""The keys of the waiting claims, of those who wait for the ends of jobs, and of the streams of events, among the
application's extensions."""
PULLING = "rowline-pulling"
"""The key of the workers over HTTP that have called this process, among the application's extensions."""
HEALTH = {"/health/live", "/health/ready"}
REST_MAX = 16 * 2**20  # bytes of a rejected body that are read and discarded at most
UNPARSABLE: dict[type[BaseException], tuple[int, str, str]] = {
    errors.LimitRequestLine: (414, "uri_too_long", "The request line is too long"),
    errors.LimitRequestHeaders: (431, "headers_too_large", "The headers are too many or too large"),
    errors.ExpectationFailed: (417, "expectation_failed", "Expect must be 100-continue"),
    errors.UnsupportedTransferCoding: (415, "unsupported_body", "Transfer-Encoding must be chunked"),
    errors.ParseException: (400, "bad_request", "The request is not HTTP as RFC 9112 has it"),
    BaseException: (500, "internal_error", "Internal error"),
}
"""gunicorn's errors for invalid requests -> status, code and sentence; the first that matches."""


def take_rest(
    read: Callable[[int], bytes], pay: Callable[[float], bool], *, piece: int = PIECE, within_s: float = TAKE_S
) -> bool:
    """Read and discard what a client still sends, up to limits of bytes and time; return whether its end was reached.

    `pay` throttles the client after each read and returns whether to go on: data that arrives as fast as it is read
    would otherwise never let other greenlets run.
    """
    with gevent.Timeout(within_s, False), contextlib.suppress(OSError, errors.ParseException):
        for _ in range(REST_MAX // piece):
            began_at = time.thread_time()
            if not read(piece):
                return True
            if not pay(time.thread_time() - began_at):
                break
    return False


@contextlib.contextmanager
def waiting(waits: dict[gevent.Greenlet, gevent.Timeout], within_s: float) -> Iterator[None]:
    """Leave the block silently when `within_s` has passed, or when its connection is needed for another client."""
    greenlet, end = gevent.getcurrent(), gevent.Timeout(within_s, False)
    with end:
        waits[greenlet] = end
        try:
            yield
        finally:
            waits.pop(greenlet, None)
    end.__traceback__ = None  # a reference cycle would keep its frames, and the bytes read, until a full collection


def _pay_nothing(_took_s: float) -> bool:
    gevent.sleep(0)
    return True


def http_date() -> str:
    """Return the current date as HTTP has it."""
    return _http_date(int(time.time()))


@lru_cache(maxsize=1)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger without its access log: the application logs requests itself."""

    def access(self, *_: object) -> None:
        """Log nothing, and format nothing."""


def _end_now(end: gevent.Timeout, greenlet: gevent.Greenlet) -> None:
    """End a wait by its own timer, as that does: if what it waits for comes first, it stops the timer."""
    end.timer.close()
    end.timer = gevent.get_hub().loop.timer(0.0)
    end.timer.start(greenlet.throw, end.exception or end)


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """One greenlet per connection, so that an idle one costs little memory and no thread.

    gunicorn waits for the head of a request inside `timeout_ctx`; the time limits of bodies and responses are in
    `app.web.clients`.
    """

    def patch(self) -> None:
        """Patch the standard library with gevent before psycopg is imported, and set limits of gunicorn and gevent.

        Unpatched, psycopg would block all clients while it waits for the database. The limits have no settings.
        """
        if "psycopg" in sys.modules:
            raise RuntimeError("psycopg was imported before gevent could patch what it waits with")
        RequestParser.mesg_class = incoming.Request
        SocketUnreader.max_body_chunk = PIECE  # its default reads 1 MiB ahead per connection
        util.http_date = http_date  # gunicorn formats it for each response
        BaseServer.max_accept = 1  # gevent's default accepts 100 in a row before any open connection is served
        super().patch()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Start without connections; the arguments are gunicorn's."""
        super().__init__(*arguments, **options)
        self._connections = 0
        self._silent: dict[gevent.Greenlet, gevent.Timeout] = {}
        """Connections without a valid token so far that wait for a request; the longest wait is the first."""
        self._idle: dict[gevent.Greenlet, gevent.Timeout] = {}
        """Connections with a valid token that wait for the next request."""
        self._refused: dict[gevent.Greenlet, gevent.Timeout] = {}
        """Connections that still read or send an unauthenticated request or its response."""
        self._throttle = throttling.FairThrottle()

    @contextlib.contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Limit the wait for the next request of a connection; after that the caller closes it silently."""
        waits = self._idle if getattr(gevent.getcurrent(), KNOWN, False) else self._silent
        with waiting(waits, self.cfg.keepalive if self.alive else LINGER_S):
            yield

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve a connection. If few are left, first close another one: unauthenticated and idle ones first."""
        self._connections += 1
        if self._connections > self.cfg.worker_connections - self.cfg.worker_connections // SPARE_SHARE:
            self._make_room()
        try:
            super().handle(
                listener,
                ThrottledSocket(client, self._throttle_for(addr, ""), partial(self._admit, client, addr)),
                addr,
            )
        finally:
            self._connections -= 1

    def _make_room(self) -> None:
        if self._throttle.reject_oldest(more_than=len(self._silent)):
            return
        for waits in (self._silent, self._refused):
            if waits:
                greenlet = next(iter(waits))
                _end_now(waits.pop(greenlet), greenlet)
                return
        if slow := reading.take_longest(more_than=len(self._idle)):
            _end_now(*slow)
        elif self._idle:
            greenlet = next(iter(self._idle))
            _end_now(self._idle.pop(greenlet), greenlet)

    def _throttle_for(self, addr: Any, path: str) -> Callable[[float], bool]:
        """Return the function that throttles an address. Health checks, as of load balancers, are throttled apart."""
        address = addr[0] if isinstance(addr, tuple) else ""
        return partial(self._throttle.wait_turn, (throttling.client_key(address), path in HEALTH))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 - gunicorn's
        """Respond to invalid HTTP in the application's format. Nothing of the request is repeated or logged."""
        status, code, sentence = next(said for kind, said in UNPARSABLE.items() if isinstance(exc, kind))
        traceback.clear_frames(exc.__traceback__)  # they keep the bytes read in memory
        request_id = log.new_request_id()
        log.request_id.set(request_id)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("unexpected_error", exc_info=exc)
        else:
            _log.info("unparsable_request", extra={"status": status, "cause": type(exc).__name__})
        pay = self._throttle_for(addr, "")
        if not pay(UNPARSED_S):
            return
        body = json.dumps({"error": sentence, "code": code, "requestId": request_id})
        head = "\r\n".join(
            (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
                "Connection: close",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                "Cache-Control: no-store",
                "X-Content-Type-Options: nosniff",
                f"X-Request-Id: {request_id}",
            )
        )
        with gevent.Timeout(TAKE_S, False), contextlib.suppress(OSError):
            client.sendall(f"{head}\r\n\r\n{body}".encode())
            client.shutdown(socket.SHUT_WR)
        take_rest(client.take, pay)  # closing with unread bytes sends a RST, which could discard the response
        log.request_id.set(None)

    def _admit(self, client: Any, addr: Any, path: str, authorization: str, took_s: float) -> bool:
        """Admit requests with a valid token, and all on a connection that had one; have others wait for their turn.

        Return whether the request is handled: not if its turn did not come, or if the client has disconnected.
        """
        greenlet = gevent.getcurrent()
        is_let_in = getattr(greenlet, KNOWN, False) or (
            bool(authorization) and self.wsgi.extensions[TOKENS].let_in(authorization)
        )
        setattr(greenlet, THROTTLED, not is_let_in)
        if is_let_in:
            return True
        self._silent.pop(greenlet, None)  # its head has arrived
        is_served = False
        with waiting(self._refused, self._patience_s):
            is_served = self._throttle_for(addr, path)(took_s)
        return is_served and not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Handle a request; then discard the rest of its body, or close: gunicorn would read without a limit."""
        buffered = req.client = BufferedSocket(sock, is_throttled=getattr(gevent.getcurrent(), THROTTLED, False))
        began_at = time.thread_time()  # CPU time, including other greenlets that run meanwhile, but no waits
        is_whole = False
        try:
            buffered.step_aside()
            super().handle_request(listener_name, req, buffered, addr)
        finally:
            if buffered.is_refused:
                setattr(gevent.getcurrent(), KNOWN, False)
            if buffered.is_known:
                setattr(gevent.getcurrent(), KNOWN, True)
                buffered.flush()
                is_whole = self._take_rest(req, _pay_nothing, TAKE_S)
            else:
                req.forget_head()  # it waits for its turn, and then for the next head, beside many others
                pay = self._throttle_for(addr, req.path)
                with waiting(self._refused, self._patience_s):
                    if pay(time.thread_time() - began_at - buffered.others_s):
                        buffered.flush()
                        within_s = TAKE_S if req.should_close() else TAKE_S + throttling.PATIENCE_S
                        is_whole = self._take_rest(req, pay, within_s)
            sock.end(is_free=getattr(gevent.getcurrent(), KNOWN, False))
            gevent.sleep(0)  # a client that pipelines requests would otherwise block all others
        if not is_whole:
            raise StopIteration

    def _take_rest(self, req: Any, pay: Callable[[float], bool], within_s: float) -> bool:
        if req.body.failed:  # the start of the next request is unknown
            with contextlib.suppress(OSError):
                req.client.shutdown(socket.SHUT_WR)
            take_rest(req.client.take, pay, within_s=within_s)
            return False
        if req.is_read:
            return True
        piece = (CHUNKED_PIECE if req.client.is_known else UNAUTHENTICATED_CHUNKED_PIECE) if req.is_chunked else PIECE
        return take_rest(req.body.reader.read, pay, piece=piece, within_s=within_s)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop: accept nothing new, end the waits, and exit when the running requests are answered."""
        super().handle_exit(sig, frame)
        gevent.spawn_later(LINGER_S, self._let_go)
        if application := getattr(self, "wsgi", None):  # None before the application is loaded
            for name in (WAITING, ENDS, STREAMS):
                gevent.spawn(application.extensions[name].close)

    def handle_quit(self, _sig: int, _frame: Any) -> None:
        """Stop at once, as at Ctrl-C. Without gevent, which prints an exit as a fault, and exits when it gets to it."""
        os._exit(0)

    def _let_go(self) -> None:
        """End all waits for clients now; strangers who are being answered have TAKE_S more, to read."""
        self._throttle.close()
        for greenlet, end in [*self._silent.items(), *self._idle.items()]:
            _end_now(end, greenlet)
        gevent.sleep(TAKE_S)
        for greenlet, end in [*self._refused.items()]:
            _end_now(end, greenlet)

    @property
    def _patience_s(self) -> float:
        """How long a stranger may take for its turn and to read the response."""
        return throttling.PATIENCE_S + self.cfg.keepalive if self.alive else TAKE_S
