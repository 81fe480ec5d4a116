"""Reading requests and sending responses on a connection: gunicorn's classes with limits it has no settings for."""

import errno
import re
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http import errors, message
from gunicorn.http.body import Body, ChunkedReader

from app.infra import cooperation

PIECE = 16 * 1024
"""The most bytes that are read from a connection at once, and so the buffer that any client can make us allocate."""
HEAD_MAX = 16 * 1024
"""The longest head of a request, in bytes, and the longest trailers of a body; gunicorn keeps two copies of both."""
HEAD_READS_MAX = 64
"""The most packets in which a head may arrive: each costs CPU time, whatever its size."""
CHUNK_LINE_MAX = 64
"""The longest line before a chunk, in bytes: its size, and chunk extensions, which are ignored."""
CHUNKS_FREE, CHUNK_MEAN_MIN = 4_096, 128
"""A body may have CHUNKS_FREE chunks, and one more per CHUNK_MEAN_MIN bytes: each costs CPU time, however small."""
PIECE_FIRST, PIECE_MIN = 1024, 256
"""The bytes read at once from an unauthenticated client: at first, and after a read that was not quick."""
READ_S, BYTE_S = 20e-6, 50e-9
"""A read is quick if it takes at most BYTE_S per byte, and READ_S if all came that was asked for: of the others, each
byte may have been a packet of its own, at 0.5 us."""
SMALL, SMALL_MAX = 1024, 8
"""Of the body of an unauthenticated request, so many reads may bring less than SMALL bytes: it is not needed, but for
what signs in to the dashboard, which is short."""
PACKETS_FREE, PACKET_S = 2, 100e-6
"""Packets of an unauthenticated request that are not throttled, and the estimated CPU time of each further one."""
ACCEPT_S, HEAD_S, FIELD_S = 100e-6, 50e-6, 2e-6
"""The estimated CPU time of accepting a connection, of parsing a head, and of each of its fields."""
ROUND_S = 20e-6
"""The estimated CPU time of a round of the event loop in which nothing is ready."""
SPOKEN = (1, 1)
"""The version in which requests of later versions of HTTP/1 are answered."""
_SHOWN = re.compile(rb"(?:\A|\r\n)authorization:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Chunks(ChunkedReader):  # type: ignore[misc]  # gunicorn has no types
    """A chunked body with limits on the number of chunks and their lines: gunicorn allows 8 KiB, some of 1 ms CPU."""

    _count = _total = 0

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, bytes | None]:
        """Read the line before a chunk; return the size of the chunk, and the bytes already read after the line."""
        line = bytearray(data or b"")
        while (end := line.find(b"\r\n")) < 0 and len(line) <= CHUNK_LINE_MAX:
            self.read_into(unreader, line)
        if not 0 <= end <= CHUNK_LINE_MAX:
            raise errors.InvalidChunkSize(b"line over %d bytes" % CHUNK_LINE_MAX)
        size, rest = super().parse_chunk_size(unreader, line)
        self._count += 1
        self._total += size
        if self._total < (self._count - CHUNKS_FREE) * CHUNK_MEAN_MIN:
            raise errors.InvalidChunkSize(b"too many small chunks")
        return size, rest


class Request(message.Request):  # type: ignore[misc]  # gunicorn has no types
    """A request with a limit on the whole head: gunicorn's limits on its fields would allow 819 KB per connection."""

    client: "BufferedSocket | None" = None
    """The client's connection, once the request is handled."""
    body: Any
    version: Any
    _is_admitted = False
    _reads = 0

    @property
    def max_buffer_headers(self) -> int:
        """The limit for a head, and for trailers, in bytes."""
        return HEAD_MAX

    @max_buffer_headers.setter
    def max_buffer_headers(self, _of_fields: int) -> None:
        """Ignore the value that gunicorn computes from the limits on fields."""

    def read_into(self, unreader: Any, buf: bytearray, stop: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Read more of the head. Raises LimitRequestHeaders if it arrives in too many packets."""
        self._reads += 1
        if self._reads > HEAD_READS_MAX:
            raise errors.LimitRequestHeaders("too many pieces")
        super().read_into(unreader, buf, stop=stop)

    def parse_headers(
        self,
        data: bytes,
        from_trailer: bool = False,  # noqa: FBT001, FBT002 - gunicorn's
    ) -> list[tuple[str, str]]:
        """Parse the fields of a head, after unauthenticated clients have waited their turn. Raises StopIteration."""
        if not from_trailer:
            self._admit(data)
        return super().parse_headers(data, from_trailer)  # type: ignore[no-any-return]

    def set_body_reader(self) -> None:
        """Choose the reader of the body, after unauthenticated clients have waited their turn. Raises StopIteration."""
        if not self._is_admitted:  # a head without fields
            self._admit(b"")
        self.version = min(self.version, SPOKEN)
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            self.body = Body(Chunks(self, self.unreader))

    @property
    def is_chunked(self) -> bool:
        """Whether the body is chunked."""
        return isinstance(self.body.reader, ChunkedReader)

    @property
    def is_read(self) -> bool:
        """Whether nothing of the body is left, if that is known without reading."""
        return getattr(self.body.reader, "length", None) == 0

    def _admit(self, head: bytes) -> None:
        shown = _SHOWN.search(head)
        if shown and shown.end(1) - shown.start(1) > self.limit_request_field_size:
            raise errors.LimitRequestHeaders(
                "limit request headers fields size"
            )  # a copy must not wait in line with it
        authorization = shown[1].decode("latin-1").rstrip(" \t") if shown else ""
        took_s = HEAD_S + FIELD_S * head.count(b"\r\n") + (ACCEPT_S if self.req_number == 1 else 0)
        if not self.unreader.sock.admit(self.path, authorization, took_s):
            raise StopIteration  # its turn did not come in time, or the client has disconnected
        self._is_admitted = True

    def should_close(self) -> bool:
        """Return whether the connection is closed after the response, whose Connection header then says so.

        Also after a body that cannot be read to its end, and if an unauthenticated client has much left to send.
        """
        is_unauthenticated = self.client is not None and not self.client.is_known
        return self.body.failed or (is_unauthenticated and self._has_much_left()) or bool(super().should_close())

    def forget_head(self) -> None:
        """Free the fields once the request is handled, but keep what they say about closing the connection."""
        self.headers = [("CONNECTION", "close" if super().should_close() else "keep-alive")]

    def _has_much_left(self) -> bool:
        reader = self.body.reader
        return reader.parser is not None if self.is_chunked else getattr(reader, "length", 0) > PIECE


class ThrottledSocket:
    """A client's socket that throttles unauthenticated clients by the packets they send: each wakes the process."""

    def __init__(
        self, sock: Any, pay: Callable[[float], bool], admit: Callable[[str, str, float], bool] | None = None
    ) -> None:
        """Throttle by `pay`, which takes the CPU time used, in seconds, and returns whether the client may go on.

        `admit` returns whether a request is handled: by its path, its Authorization, and the seconds to parse its head.
        """
        self._sock = sock
        self._pay = pay
        self.admit = admit
        self._packets = 0
        self._small: int | None = None
        """How many reads of the body were small; None while a head is read, which has a limit of its own."""
        self._piece_max = PIECE_FIRST
        self.is_free = False
        """Whether the last request had a valid token: then the socket is not throttled."""

    def begin(self) -> None:
        """Begin the body of a request: it counts as unauthenticated until `is_free` is set."""
        self._packets = self._small = 0
        self.is_free = False

    def end(self, *, is_free: bool) -> None:
        """Be ready for the next head, in how many reads it may come."""
        self._small, self.is_free = None, is_free

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the socket."""
        return getattr(self._sock, name)

    def recv(self, size: int, *flags: int) -> bytes:
        """Read up to `size` bytes. Raises ConnectionResetError if a throttled client's turn did not come in time.

        Also if its body comes in more than SMALL_MAX small reads. It must raise: returning nothing would look like the
        end of the body, and its rest would be parsed as a request.
        """
        if self.is_free:
            return bytes(self._sock.recv(size, *flags))
        piece, took_s, is_cut = self._take(size, *flags)
        self._packets += not is_cut
        if self._small is not None and len(piece) < SMALL and not is_cut:
            self._small += 1
            if self._small > SMALL_MAX:
                raise ConnectionResetError(errno.ECONNRESET, "an unauthenticated client's body comes in small pieces")
        if self._packets > PACKETS_FREE and not is_cut and not self._pay(max(took_s, PACKET_S)):
            raise ConnectionResetError(errno.ECONNRESET, "an unauthenticated client's turn did not come in time")
        return piece

    def take(self, size: int) -> bytes:
        """Read up to `size` bytes without throttling: the caller throttles by the time that each read took."""
        return self._take(size)[0]

    def _take(self, size: int, *flags: int) -> tuple[bytes, float, bool]:
        """Return the bytes, the CPU seconds used, and whether the limit of a read cut them from a longer packet."""
        limit, began_at = min(size, self._piece_max), time.thread_time()
        piece = bytes(self._sock.recv(limit, *flags))
        took_s = time.thread_time() - began_at
        is_full = len(piece) == limit
        is_quick = took_s <= BYTE_S * len(piece) + READ_S * is_full
        is_cut = is_quick and is_full and limit < size
        self._piece_max = min(2 * self._piece_max, PIECE) if is_quick else PIECE_MIN
        return piece, took_s, is_cut


class BufferedSocket:
    """A client's socket that sends the head of a response together with the body: one packet, not two.

    The whole response to an unauthenticated client is buffered until `flush`, while that client is throttled.
    """

    def __init__(self, sock: ThrottledSocket, *, is_throttled: bool = False) -> None:
        """Buffer the first piece that is sent over `sock`. `is_throttled`: the request has waited for its turn."""
        self._sock = sock
        self._is_throttled = is_throttled
        self.others_s = 0.0
        """The CPU seconds of other greenlets while this request stepped aside."""
        self._kept: list[bytes] = []
        self._is_first = True
        self.is_refused = False
        """Whether the client showed no valid token where one is required: the application sets it."""
        self._sock.begin()

    @property
    def is_known(self) -> bool:
        """Whether the client is authenticated: the application sets it before it responds."""
        return self._sock.is_free

    @is_known.setter
    def is_known(self, is_known: bool) -> None:
        self._sock.is_free = is_known

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the socket."""
        return getattr(self._sock, name)

    def step_aside(self) -> None:
        """Let everybody else who is ready run first, if this is a request of an unauthenticated client."""
        if self._is_throttled and not self.is_known:
            began_at = time.thread_time()
            cooperation.step_aside()
            self.others_s += max(0.0, time.thread_time() - began_at - ROUND_S)

    def sendall(self, piece: bytes) -> None:
        """Send a piece after those that are buffered, or buffer it too."""
        self._kept.append(piece)
        if self.is_known and not self._is_first:
            self.flush()
        self._is_first = False

    def flush(self) -> None:
        """Send what is buffered."""
        pieces, self._kept = self._kept, []
        if not pieces:
            return
        sent = self._sock.sendmsg(pieces[:2])  # without joining them: no copy for a client that reads slowly
        for piece in pieces:
            if left := memoryview(piece)[sent:]:
                self._sock.sendall(left)
            sent = max(0, sent - len(piece))
