"""The gunicorn worker of the API: gevent's, whose waits for clients all end, and whose stop awaits no idle one."""

import contextlib
import json
import logging
import os
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import gevent
from gevent.baseserver import BaseServer
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.http import errors
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.ggevent import GeventWorker

from app.infra import log
from app.web import incoming, strangers
from app.web.incoming import PIECE, Gathered, Metered

_log = logging.getLogger(__name__)

LINGER_S = 0.5
"""How long a stopping worker leaves idle connections open, for requests that are already on their way."""
TAKE_S = 1.0
"""How long whoever sent no HTTP has to take our answer to it."""
SPARE_SHARE = 16
"""One in so many connections of a process is kept for whoever comes."""
KNOWN = "rowline_known"
"""What the greenlet of a connection has, on which a good token was shown."""
TOKENS = "rowline-tokens"
"""Where the extensions of the application have the tokens that are known."""
UNPARSED_S = 0.0005
"""What it takes, about, to read what is no request and to answer it."""
CHUNKED_PIECE, STRANGERS_CHUNKED_PIECE = 1024, 64
"""The same of chunks that nobody wants: it may have come as so many, of one byte, up to 8 us each."""
WAITING = "rowline-waiting"
"""Where the extensions of the application have the claims that wait."""
HEALTH = {"/health/live", "/health/ready"}
REST_MAX = 16 * 2**20  # bytes: more than a body that is a little too large
UNPARSABLE: dict[type[BaseException], tuple[int, str, str]] = {
    errors.LimitRequestLine: (414, "uri_too_long", "The request line is too long"),
    errors.LimitRequestHeaders: (431, "headers_too_large", "The headers are too many or too large"),
    errors.ExpectationFailed: (417, "expectation_failed", "Expect must be 100-continue"),
    errors.UnsupportedTransferCoding: (415, "unsupported_body", "Transfer-Encoding must be chunked"),
    errors.ParseException: (400, "bad_request", "The request is not HTTP as RFC 9112 has it"),
    BaseException: (500, "internal_error", "Internal error"),
}
"""What cannot be read as a request -> status, code and sentence; the first that fits."""


def take_rest(
    read: Callable[[int], bytes], pay: Callable[[float], bool], *, piece: int = PIECE, within_s: float = TAKE_S
) -> bool:
    """Read what nobody wants, up to a limit of bytes and of time, and say whether that was all.

    For every piece `pay` has whoever sends it wait, and says whether he may go on: what comes as fast as it is read
    would never make the process wait.
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
    """Leave the block without a word when the time is over, or when its connection is needed for somebody else."""
    greenlet, end = gevent.getcurrent(), gevent.Timeout(within_s, False)
    with end:
        waits[greenlet] = end
        try:
            yield
        finally:
            waits.pop(greenlet, None)
    end.__traceback__ = None  # whose frames hold it, and all that they have read, until a full collection


def _pay_nothing(_took_s: float) -> bool:
    gevent.sleep(0)
    return True


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger, but for requests: the application logs them itself."""

    def access(self, *_: object) -> None:
        """Put nothing together that nobody writes."""


def _end_now(end: gevent.Timeout, greenlet: gevent.Greenlet) -> None:
    """End a wait by its own timer: one whose request has come meanwhile stops its timer and answers."""
    end.timer.close()
    end.timer = gevent.get_hub().loop.timer(0.0)
    end.timer.start(greenlet.throw, end)


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """A connection is a greenlet, so that a silent one costs a little memory and no thread.

    gunicorn waits for the head of a request inside `timeout_ctx`; bodies and answers have their ends in
    `app.web.clients`.
    """

    def patch(self) -> None:
        """Make the standard library cooperative, before what would else wait for the database with all clients.

        And gunicorn frugal: it has no settings for these three.
        """
        if "psycopg" in sys.modules:
            raise RuntimeError("psycopg was imported before gevent could patch what it waits with")
        RequestParser.mesg_class = incoming.Request
        SocketUnreader.max_body_chunk = PIECE  # it reads ahead, for whoever sends a body, and holds 1 MiB by itself
        BaseServer.max_accept = 1  # gevent's is 100, in a row, before anybody who is there gets an answer
        super().patch()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin with nobody waiting."""
        super().__init__(*arguments, **options)
        self._connections = 0
        self._silent: dict[gevent.Greenlet, gevent.Timeout] = {}
        """Who waits for a client that has shown no good token on this connection; the longest wait is the first."""
        self._idle: dict[gevent.Greenlet, gevent.Timeout] = {}
        """The same of one who has."""
        self._refused: dict[gevent.Greenlet, gevent.Timeout] = {}
        """Who has something to take, or to send, of a request without a good token."""
        self._strangers = strangers.Line()

    @contextlib.contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Wait for the next request of a connection, and give up in silence: the caller then closes it."""
        waits = self._idle if getattr(gevent.getcurrent(), KNOWN, False) else self._silent
        with waiting(waits, self.cfg.keepalive if self.alive else LINGER_S):
            yield

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve a connection. When there is hardly room for another, whoever has said least for longest is let go."""
        self._connections += 1
        if self._connections > self.cfg.worker_connections - self.cfg.worker_connections // SPARE_SHARE:
            self._make_room()
        try:
            super().handle(listener, Metered(client, self._paid_by(addr, ""), partial(self._admit, client, addr)), addr)
        finally:
            self._connections -= 1

    def _make_room(self) -> None:
        if self._strangers.turn_one_away(more_than=len(self._silent)):
            return
        for waits in (self._silent, self._refused, self._idle):
            if waits:
                greenlet = next(iter(waits))
                _end_now(waits.pop(greenlet), greenlet)
                return

    def _paid_by(self, addr: Any, path: str) -> Callable[[float], bool]:
        """Return what has a stranger wait. Who asks for our health has a line of his own: it may be a load balancer."""
        address = addr[0] if isinstance(addr, tuple) else ""
        return partial(self._strangers.hold_up, (strangers.neighbourhood(address), path in HEALTH))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 - gunicorn's
        """Answer what never reached the application, as it would. Nothing that was sent is repeated or logged."""
        status, code, sentence = next(said for kind, said in UNPARSABLE.items() if isinstance(exc, kind))
        traceback.clear_frames(exc.__traceback__)  # they hold what was read
        request_id = uuid.uuid4().hex
        log.request_id.set(request_id)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("unexpected_error", exc_info=exc)
        else:
            _log.info("unparsable_request", extra={"status": status, "cause": type(exc).__name__})
        pay = self._paid_by(addr, "")
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
        take_rest(client.take, pay)  # closed with unread bytes, the answer could be lost
        log.request_id.set(None)

    def _admit(self, client: Any, addr: Any, path: str, authorization: str, took_s: float) -> bool:
        """Let a request pass that shows what is known, and any on a connection that did; have others wait their turn.

        Return whether it is handled: of who has broken the connection off meanwhile nothing more is read.
        """
        greenlet = gevent.getcurrent()
        if getattr(greenlet, KNOWN, False) or (authorization and self.wsgi.extensions[TOKENS].let_in(authorization)):
            return True
        self._silent.pop(greenlet, None)  # he is not: his head is there
        is_served = False
        with waiting(self._refused, strangers.PATIENCE_S + self.cfg.keepalive):
            is_served = self._paid_by(addr, path)(took_s)
        return is_served and not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer a request; then take what is left of its body, or close: gunicorn would read on without an end."""
        gathered = req.client = Gathered(sock)
        began_at = time.thread_time()  # of others too that ran meanwhile, but no wait
        is_whole = False
        try:
            super().handle_request(listener_name, req, gathered, addr)
        finally:
            if gathered.is_known:
                setattr(gevent.getcurrent(), KNOWN, True)
                gathered.flush()
                is_whole = self._take_rest(req, _pay_nothing, TAKE_S)
            else:
                pay = self._paid_by(addr, req.path)
                with waiting(self._refused, strangers.PATIENCE_S + self.cfg.keepalive):
                    if pay(time.thread_time() - began_at):
                        gathered.flush()
                        within_s = TAKE_S if req.should_close() else TAKE_S + strangers.PATIENCE_S
                        is_whole = self._take_rest(req, pay, within_s)
            sock.is_free = getattr(gevent.getcurrent(), KNOWN, False)  # to send the next head
            gevent.sleep(0)  # a client whose next request is always there, and waits for nothing, would run alone
        if not is_whole:
            raise StopIteration

    def _take_rest(self, req: Any, pay: Callable[[float], bool], within_s: float) -> bool:
        if req.body.failed:  # where the next request would begin nobody knows
            with contextlib.suppress(OSError):
                req.client.shutdown(socket.SHUT_WR)
            take_rest(req.client.take, pay, within_s=within_s)
            return False
        piece = (CHUNKED_PIECE if req.client.is_known else STRANGERS_CHUNKED_PIECE) if req.is_chunked else PIECE
        return take_rest(req.body.reader.read, pay, piece=piece, within_s=within_s)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop: take nothing new, let go who waits, and end when the requests under way are answered."""
        super().handle_exit(sig, frame)
        gevent.spawn_later(LINGER_S, self._let_go)
        if application := getattr(self, "wsgi", None):  # it may be too early for one
            gevent.spawn(application.extensions[WAITING].close)

    def handle_quit(self, _sig: int, _frame: Any) -> None:
        """Stop at once, as at Ctrl-C. Without gevent, which prints an exit as a fault, and exits when it gets to it."""
        os._exit(0)

    def _let_go(self) -> None:
        """End the waits for clients now."""
        self._strangers.close()
        for greenlet, end in [*self._silent.items(), *self._idle.items()]:
            _end_now(end, greenlet)
