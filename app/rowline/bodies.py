"""Reads the bodies of responses: as they were sent, since no encoding is asked for, and no more than is right."""

from collections.abc import Iterator

import urllib3
from rowline.errors import RowlineError, Unavailable
from urllib3.exceptions import HTTPError

CHUNK = 64 * 1024
LONGEST = 2**30
"""The most bytes of a response, and of an event of a stream, that are read.

It is as much as a service can be told to accept or to send in one body (`ROWLINE_MAX_BODY_BYTES`,
`ROWLINE_MAX_ANSWER_BYTES`); with its defaults no response has over 32 MiB.
"""
UNREADABLE = (ValueError, RecursionError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What reading a value raises that is not of the shape of Rowline's."""
ENCODING, PLAIN = "Content-Encoding", "identity"


def encoding(response: urllib3.BaseHTTPResponse) -> str | None:
    """Return the encoding that nobody asked for, None if there is none: a few bytes of gzip can become many GiB."""
    said = response.headers.get(ENCODING, PLAIN).strip()
    return None if said.lower() in {"", PLAIN} else said


def require_plain(response: urllib3.BaseHTTPResponse) -> None:
    """Raise RowlineError for an encoded response, and close its connection."""
    if said := encoding(response):
        response.close()
        raise RowlineError(
            f"the response has the {ENCODING} {said[:100]!r}, though none was asked for", code="not_rowline"
        )


def whole(response: urllib3.BaseHTTPResponse) -> bytes:
    """Return the body. Raises RowlineError if it is longer than LONGEST, and urllib3's HTTPError if it is cut."""
    if response.length_remaining is not None and response.length_remaining <= LONGEST:
        return response.read(decode_content=False)
    pieces, size = [], 0
    while piece := response.read(CHUNK, decode_content=False):
        size += len(piece)
        if size > LONGEST:
            response.close()
            raise _too_long("the response")
        pieces.append(piece)
    return b"".join(pieces)


class Stream:
    """A response that is read as it comes. It may go on for ever; an event of it is at most LONGEST bytes."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        """Take a response of which only the head is read."""
        self._response = response
        self._size = 0  # of the event that comes
        self.has_begun = False
        """Whether any byte of its body has come."""

    def lines(self) -> Iterator[str]:
        """Yield lines, without their ends, until the response ends. Raises Unavailable if it is cut."""
        rest = bytearray()
        try:
            while piece := self._response.read1(CHUNK, decode_content=False):
                self.has_begun = True
                first, *more = piece.split(b"\n")
                rest += first
                for line in more:
                    yield self._line(bytes(rest))
                    rest = bytearray(line)
                if self._size + len(rest) > LONGEST:
                    raise _too_long("an event")
        except (HTTPError, OSError) as error:
            raise lost(f"the stream was cut: {error}") from error

    def _line(self, line: bytes) -> str:
        """Return a line as text. An empty one ends the event; a comment is no part of it."""
        if not line:
            self._size = 0
        elif not line.startswith(b":"):
            self._size += len(line)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise RowlineError("this is not a stream of Rowline: it is not UTF-8", code="not_rowline") from error

    def close(self) -> None:
        """Close its connection."""
        self._response.close()


def lost(message: str) -> Unavailable:
    """Make the error for a missing response."""
    trouble = Unavailable(message, code="no_answer")
    trouble.is_outcome_unknown = True
    return trouble


def _too_long(what: str) -> RowlineError:
    return RowlineError(f"{what} has over {LONGEST} bytes: this is not Rowline", code="not_rowline")
