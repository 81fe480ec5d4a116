"""A parser for the heads and chunks of responses of endpoints, in place of those of http.client.

Its email parser also ends lines at a lone CR and parses nested messages: 64 KiB took it a second (decision 42). Its
sizes of chunks are what `int` reads, also `-5`, `0x5` and `1_0`, and it skips whatever is in place of a chunk's CRLF.
"""

import http.client
import re

from app.infra.cooperation import give_way

FIELDS_MAX = 100
"""The most header lines of a response."""
CHUNK_LINE_MAX = 256
"""The longest line before a chunk, in bytes: its size, and chunk extensions, which are ignored."""
_STATUS = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?: ([^\x00\r\n]*+))?\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):([^\x00-\x08\x0a-\x1f\x7f]*+)\r?\n")
_FOLDED = re.compile(rb"[ \t]([^\x00-\x08\x0a-\x1f\x7f]*+)\r?\n")
_LENGTH = re.compile(r"[0-9]{1,100}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*+(?:;[^\x00-\x08\x0a-\x1f\x7f]*+)?\r\n")
_BODILESS = {http.client.NO_CONTENT, http.client.NOT_MODIFIED}


class HeadError(http.client.HTTPException):
    """The head of a response violates RFC 9112; the message says how, and repeats nothing of the head."""


class ChunkError(http.client.HTTPException):
    """The chunks of a response violate RFC 9112; the message says how, and repeats nothing of them."""


class Response(http.client.HTTPResponse):
    """A response whose head and chunks are parsed here; http.client reads bodies that are not chunked."""

    fields: dict[str, str]
    """The headers, by name in lower case; the values of repeated headers are joined by commas."""

    def begin(self) -> None:
        """Read one head; after a 1xx response it is called again, for the next one. Lines may end with LF only.

        Raises HeadError, OSError; RemoteDisconnected or IncompleteRead if the connection ends too early.
        """
        line = self._line()
        give_way()  # many responses may arrive at once
        found = _STATUS.fullmatch(line)
        if not found:
            raise HeadError("its first line is no status line of HTTP/1")
        self.version = 10 if found[1] == b"0" else 11
        self.code = self.status = int(found[2])
        self.reason = (found[3] or b"").decode("latin-1").strip()
        self.fields = self._read_fields()
        if self.status >= 200:  # noqa: PLR2004 -- 1xx responses never have a body
            self._frame()

    def read(self, amt: int | None = None) -> bytes:
        """Read up to `amt` bytes of the body, of one chunk at most; return b"" at its end.

        Raises ChunkError, OSError; IncompleteRead if the connection ends within the chunks.
        """
        if not self.chunked:
            return super().read(amt)
        if not self.chunk_left:
            self.chunk_left = self._next_chunk(is_first=self.chunk_left is None)
        if not self.chunk_left:
            self.chunked, self.length = False, 0
            return b""
        size = self.chunk_left if amt is None else min(amt, self.chunk_left)
        piece: bytes = self.fp.read(size)
        if len(piece) < size:
            raise http.client.IncompleteRead(piece, size - len(piece))
        self.chunk_left -= size
        return piece

    def _next_chunk(self, *, is_first: bool) -> int:
        """Read up to the data of the next chunk; return its size. After the last one, 0, the trailers are read too."""
        if not is_first and (end := self.fp.read(2)) != b"\r\n":
            raise http.client.IncompleteRead(end) if len(end) < 2 else ChunkError("no CRLF follows a chunk")  # noqa: PLR2004
        line = self.fp.readline(CHUNK_LINE_MAX)
        found = _CHUNK.fullmatch(line)
        if not found:
            is_cut = len(line) < CHUNK_LINE_MAX and not line.endswith(b"\n")
            raise http.client.IncompleteRead(line) if is_cut else ChunkError("the line before a chunk is no size")
        size = int(found[1], 16)
        if not size:
            self._skip_trailers()
        return size

    def _skip_trailers(self) -> None:
        """Read and ignore the trailers. If the connection ends within them, the body was whole nevertheless."""
        for _ in range(FIELDS_MAX + 1):
            line = self.fp.readline()
            if line in {b"\r\n", b"\n"} or not line.endswith(b"\n"):
                return
            if not _FIELD.fullmatch(line) and not _FOLDED.fullmatch(line):
                raise ChunkError("a line after the last chunk is no header, or has a control character")
        raise ChunkError(f"over {FIELDS_MAX} headers follow the last chunk")

    def _line(self) -> bytes:
        line = self.fp.readline()
        if line.endswith(b"\n"):
            return line
        if line:
            raise http.client.IncompleteRead(line)
        raise http.client.RemoteDisconnected("Remote end closed connection without response")

    def _read_fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        name = ""
        for number in range(2, FIELDS_MAX + 3):
            line = self._line()
            if line in {b"\r\n", b"\n"}:
                return fields
            if found := _FIELD.fullmatch(line):
                name, value = found[1].decode("ascii").lower(), found[2].decode("latin-1").strip(" \t")
                fields[name] = f"{fields[name]}, {value}" if name in fields else value
            elif name and (found := _FOLDED.fullmatch(line)):
                fields[name] += " " + found[1].decode("latin-1").strip(" \t")
            else:
                raise HeadError(f"its line {number} is no header, or has a control character")
        raise HeadError(f"it has over {FIELDS_MAX} headers")

    def _frame(self) -> None:
        """Determine the end of the body, and whether the connection is closed after it. Raises HeadError."""
        coding, length = self.fields.get("transfer-encoding", "").lower(), self.fields.get("content-length")
        if coding not in {"", "identity", "chunked"}:
            raise HeadError("its Transfer-Encoding is not chunked")
        self.chunked, self.chunk_left, self.length = coding == "chunked", None, None
        if self.status in _BODILESS:
            self.chunked, self.length = False, 0
        elif length is not None and not self.chunked:
            [value, *others] = {value.strip(" \t") for value in length.split(",")}
            if others or not _LENGTH.fullmatch(value):
                raise HeadError("its Content-Length is no number")
            self.length = int(value)
        connection = self.fields.get("connection", "").lower()
        is_kept = "close" not in connection and (self.version > 10 or "keep-alive" in connection)  # noqa: PLR2004 -- 1.0
        self.will_close = not is_kept or (self.length is None and not self.chunked)
