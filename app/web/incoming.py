"""How requests are read and answered on a connection: gunicorn's ways, with bounds that it has no settings for."""

import errno
import re
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http import errors, message
from gunicorn.http.body import Body, ChunkedReader

PIECE = 16 * 1024
"""The most that is read from a connection at once: so much may anybody have us hold."""
HEAD_MAX = 16 * 1024
"""The longest head of a request, in bytes, and the longest trailers of a body; gunicorn holds both twice."""
HEAD_READS_MAX = 64
"""Packets in which a head may come: each has a price, whatever is in it."""
CHUNK_LINE_MAX = 64
"""The longest line before a chunk, in bytes: its size, and extensions that mean nothing to us."""
CHUNKS_FREE, CHUNK_MEAN_MIN = 4_096, 128
"""So many chunks are free, and one for each so many bytes: each has a price, whatever its size."""
PIECE_MIN, BYTE_S = 1024, 50e-9
"""The least, of one who has shown no good token, once a byte of his took longer: each may be a packet, of 0.5 us."""
PACKETS_FREE, PACKET_S = 2, 100e-6
"""So many packets of a stranger's request are free. For each further one he pays what it takes, about."""
ACCEPT_S, HEAD_S, FIELD_S = 100e-6, 50e-6, 2e-6
"""What it takes, about, to accept a connection, to read a head, and each of its fields."""
_SHOWN = re.compile(rb"(?:\A|\r\n)authorization:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Chunks(ChunkedReader):  # type: ignore[misc]  # gunicorn has no types
    """A chunked body of not too many chunks, with short lines between: gunicorn takes 8 KiB, and a ms for some."""

    _count = _total = 0

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, bytes | None]:
        """Read the line before a chunk; return the size that it says, and what is there behind it."""
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
    """A request whose head is bounded as a whole: by its fields alone it could be 819 KB, held for whoever sends it."""

    client: "Gathered | None" = None
    """Who sent it, from when it is handled."""
    body: Any
    _is_admitted = False
    _reads = 0

    @property
    def max_buffer_headers(self) -> int:
        """The most that is read of a head, or of trailers, in bytes."""
        return HEAD_MAX

    @max_buffer_headers.setter
    def max_buffer_headers(self, _of_fields: int) -> None:
        """Leave it as it is."""

    def read_into(self, unreader: Any, buf: bytearray, stop: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Read more of the head. Raises LimitRequestHeaders when it comes in too many pieces."""
        self._reads += 1
        if self._reads > HEAD_READS_MAX:
            raise errors.LimitRequestHeaders("too many pieces")
        super().read_into(unreader, buf, stop=stop)

    def parse_headers(
        self,
        data: bytes,
        from_trailer: bool = False,  # noqa: FBT001, FBT002 - gunicorn's
    ) -> list[tuple[str, str]]:
        """Read the fields of a head, of whoever is admitted: a stranger pays for them before. Raises StopIteration."""
        if not from_trailer:
            self._admit(data)
        return super().parse_headers(data, from_trailer)  # type: ignore[no-any-return]

    def set_body_reader(self) -> None:
        """Say how the body is read, of whoever is admitted. Raises StopIteration."""
        if not self._is_admitted:  # a head without fields
            self._admit(b"")
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            self.body = Body(Chunks(self, self.unreader))

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return isinstance(self.body.reader, ChunkedReader)

    def _admit(self, head: bytes) -> None:
        shown = _SHOWN.search(head)
        authorization = shown[1].decode("latin-1").rstrip(" \t") if shown else ""
        took_s = HEAD_S + FIELD_S * head.count(b"\r\n") + (ACCEPT_S if self.req_number == 1 else 0)
        if not self.unreader.sock.admit(self.path, authorization, took_s):
            raise StopIteration  # his turn did not come, or he is gone: what nobody awaits is not done
        self._is_admitted = True

    def should_close(self) -> bool:
        """Tell whether the answer ends the connection, as it says.

        Also after a body that cannot be read to its end, and where a stranger has left much unread.
        """
        is_stranger = self.client is not None and not self.client.is_known
        return self.body.failed or (is_stranger and self._has_much_left()) or bool(super().should_close())

    def _has_much_left(self) -> bool:
        reader = self.body.reader
        return reader.parser is not None if self.is_chunked else getattr(reader, "length", 0) > PIECE


class Metered:
    """A client's socket, which has a stranger pay for the packets that he sends: each of them wakes the process."""

    def __init__(
        self, sock: Any, pay: Callable[[float], bool], admit: Callable[[str, str, float], bool] | None = None
    ) -> None:
        """Have `pay` hold up whoever sends, for what that took, in seconds, and say whether he may go on.

        `admit` says whether a request is handled, by its path, its Authorization and what its head takes to read.
        """
        self._sock = sock
        self._pay = pay
        self.admit = admit
        self._packets = 0
        self._most = PIECE_MIN
        self.is_free = False
        """Whether a good token was shown by the last request."""

    def begin(self) -> None:
        """Have a request handled, of which nothing is known yet."""
        self._packets = 0
        self.is_free = False

    def __getattr__(self, name: str) -> Any:
        """Be the socket in all else."""
        return getattr(self._sock, name)

    def recv(self, size: int, *flags: int) -> bytes:
        """Read what is there, up to `size` bytes. Raises ConnectionResetError of one who may not go on.

        Nothing else would do: what looks like the end of a body would have the rest of it taken for a request.
        """
        if self.is_free:
            return bytes(self._sock.recv(size, *flags))
        piece, took_s, is_cut = self._take(size, *flags)
        self._packets += not is_cut
        if self._packets > PACKETS_FREE and not is_cut and not self._pay(max(took_s, PACKET_S)):
            raise ConnectionResetError(errno.ECONNRESET, "a stranger's turn did not come")
        return piece

    def take(self, size: int) -> bytes:
        """Read for free, up to `size` bytes: who calls this has each piece paid for by what it took."""
        return self._take(size)[0]

    def _take(self, size: int, *flags: int) -> tuple[bytes, float, bool]:
        """Return a piece, what it took, and whether it was our bound that cut it off from a longer packet."""
        most, began_at = min(size, self._most), time.thread_time()
        piece = bytes(self._sock.recv(most, *flags))
        took_s = time.thread_time() - began_at
        is_quick = took_s <= BYTE_S * len(piece)
        is_cut = is_quick and len(piece) == most < size
        self._most = min(2 * self._most, PIECE) if is_quick else PIECE_MIN
        return piece, took_s, is_cut


class Gathered:
    """A client's socket that sends the head of an answer together with what follows it: one packet, not two.

    All of an answer to a stranger is kept until `flush`: he waits for it when nothing else of his request is left.
    """

    def __init__(self, sock: Metered) -> None:
        """Hold back the first piece that is sent over `sock`."""
        self._sock = sock
        self._kept: list[bytes] = []
        self._is_first = True
        self._sock.begin()

    @property
    def is_known(self) -> bool:
        """Whether who asks has shown a token that is good: the application says so before it answers."""
        return self._sock.is_free

    @is_known.setter
    def is_known(self, is_known: bool) -> None:
        self._sock.is_free = is_known

    def __getattr__(self, name: str) -> Any:
        """Be the socket in all else."""
        return getattr(self._sock, name)

    def sendall(self, piece: bytes) -> None:
        """Send a piece, after those that were held back."""
        self._kept.append(piece)
        if self.is_known and not self._is_first:
            self.flush()
        self._is_first = False

    def flush(self) -> None:
        """Send what is held back."""
        pieces, self._kept = self._kept, []
        if not pieces:
            return
        sent = self._sock.sendmsg(pieces[:2])  # no copy of both, which who does not take it would make us hold
        for piece in pieces:
            if left := memoryview(piece)[sent:]:
                self._sock.sendall(left)
            sent = max(0, sent - len(piece))
