"""Requests whose framing is broken or odd, under the names of the rows of the catalogue that they come from."""

from collections.abc import Iterator

import pytest

from tests.support.raw import TOKEN, request

PATH = "/queues/q/jobs"
JOB = b'[{"name":"n","data":1}]'
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"17\r\n" + JOB + b"\r\n0\r\n\r\n"
Case = tuple[str, bytes]


def post(*headers: str, body: bytes = JOB, version: str = "1.1") -> bytes:
    return request("POST", PATH, *headers, body=body, version=version)


def chunked(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


def headed(line: bytes, *, ending: bytes = b"\r\n") -> bytes:
    """A POST of a job with one line of its head as it stands."""
    lines = (b"POST " + PATH.encode() + b" HTTP/1.1", b"Host: x", f"Authorization: Bearer {TOKEN}".encode())
    return ending.join([*lines, b"Content-Length: 23", line, b"", b""]) + JOB


def _lengths() -> Iterator[Case]:
    yield "H01 length, then chunks", post("Content-Length: 23", CHUNKED, body=CHUNKS)
    yield "H02 chunks, then length", post(CHUNKED, "Content-Length: 23", body=CHUNKS)
    yield "H03 two different lengths", post("Content-Length: 23", "Content-Length: 5")
    yield "H03 the same length twice", post("Content-Length: 23", "Content-Length: 23")
    for length in ("23, 23", "23,5", "+23", "-23", "0x17", "23 23", "2_3", "23.0", "1e1", "", "\xb2", '"23"', "23;"):
        yield f"H04 H05 length {length!r}", post(f"Content-Length: {length}")
    for odd in ("Content-Length : 23", "Content-Length\t: 23", "Content-Length: 23\x0b", "Content-Length: \x0b23"):
        yield f"H35 {odd!r} and a request within", post(odd, body=JOB + request("GET", PATH))
    yield "H35 length, then \\x0bchunked", post("Content-Length: 23", "Transfer-Encoding: \x0bchunked")
    yield "H05 length of 5,000 digits", post("Content-Length: " + "0" * 4_998 + "23")


def _codings() -> Iterator[Case]:
    for coding in ("chunked, identity", "chunked, chunked", "identity", "gzip", "chunked, gzip", "", ",", '"chunked"'):
        yield f"H12 H17 H18 coding {coding!r}", post(f"Transfer-Encoding: {coding}", body=CHUNKS)
    for coding in ("xchunked", "\x0bchunked", "chunked;q=1", "chunked\x00", "chu nked", "\xa0chunked", "chunked\x0c"):
        yield f"H12 coding {coding!r}", post(f"Transfer-Encoding: {coding}", body=CHUNKS)
    yield "H12 coding given twice", post(CHUNKED, CHUNKED, body=CHUNKS)
    yield "H12 space before the colon", post("Transfer-Encoding : chunked", body=CHUNKS)
    yield "H19 chunks in HTTP/1.0", post(CHUNKED, body=CHUNKS, version="1.0")


def _heads() -> Iterator[Case]:
    yield "H21 two hosts", post("Host: y")
    yield "H21 the same host twice", post("Host: x")
    yield "H23 space before a colon", headed(b"X-A : v")
    yield "H23 a folded line", headed(b"X-A: v\r\n w")
    yield "H23 a first line that is folded", headed(b" X-A: v")
    yield "H23 NUL in a value", headed(b"X-A: \x00")
    yield "H23 carriage return in a value", headed(b"X-A: a\rX-B: b")
    yield "H23 bare LF in a head", headed(b"X-A: a\nX-B: b")
    yield "H23 bare LF line ends", headed(b"X-A: v", ending=b"\n")
    for name in (b"", b"X A", b"X\x00A", b"X(A)", b"\xc3\xa9", b"X\tA"):
        yield f"H23 header name {name!r}", headed(name + b": v")
    for control in (b"\x01", b"\x1b[31m", b"\x7f", b"\x08"):
        yield f"H23 value {control!r}", headed(b"X-A: " + control)
    yield "H23 no colon", headed(b"X-A v")
    yield "H24 a header of 9,000 bytes", headed(b"X-A: " + b"v" * 9_000)
    yield "H24 101 headers", headed(b"\r\n".join(b"X-%d: v" % number for number in range(98)))


def _lines() -> Iterator[Case]:
    yield "H25 a line of 4,095 bytes", request("GET", "/" + "x" * 4_081)
    yield "H25 a line of 100,000 bytes", request("GET", "/" + "x" * 100_000)
    yield "H28 HTTP/2.0", request("GET", PATH, version="2.0")
    yield "H28 HTTP/0.9", b"GET " + PATH.encode() + b"\r\n\r\n"
    yield "H28 the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "H28 TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x1b]0;x\x07\r\n\r\n"
    for method in ("get", "G", "G E T", "GE\x00T", "\x1bGET", "X" * 21, "GET\t"):
        yield f"H28 method {method!r}", request(method, PATH)
    for target in ("", "*", "x:80", "queues", "/\x1b[31m", "/\x00", "/caf\xc3\xa9", "/a b", "http://[x/"):
        yield f"H22 target {target!r}", request("GET", target)
    for version in ("1.1 ", " 1.1", "1", "x.1", "1.1\x00", "01.1", "3.0"):
        yield f"H28 version {version!r}", request("GET", PATH, version=version)


def _chunks() -> Iterator[Case]:
    yield "H13 a chunk size with a bare LF", chunked(b"17\n" + JOB + b"\n0\n\n\r\n")
    sizes = [b"-17", b"+17", b"0x17", b" 17", b"17 ", b"", b"1_7", b"\xef\xbc\x91", b"g", b"17\t", b"\x0017", b"17\rx"]
    for size in sizes:
        yield f"H14 chunk size {size[:20]!r}", chunked(size + b"\r\n" + JOB + b"\r\n0\r\n\r\n")
    for extension in (b";a=\rb", b";", b";a=\x1b", b";\xff", b';a="', b";a=b c"):
        yield f"H14 chunk extension {extension!r}", chunked(b"17" + extension + b"\r\n" + JOB + b"\r\n0\r\n\r\n")
    for trailer in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Authorization: Bearer x", b"Host: y"):
        yield f"H16 trailer {trailer!r}", chunked(b"17\r\n" + JOB + b"\r\n0\r\n" + trailer + b"\r\n\r\n")
    for trailer in (b"X A: v", b"no colon", b"X: \x00", b"X: a\nY: b"):
        yield f"H16 trailer {trailer!r}", chunked(b"17\r\n" + JOB + b"\r\n0\r\n" + trailer + b"\r\n\r\n")
    yield "H14 no CRLF after a chunk", chunked(b"17\r\n" + JOB + b"0\r\n\r\n")
    yield "H14 a chunk longer than its size", chunked(b"5\r\n" + JOB + b"\r\n0\r\n\r\n")


def _cut() -> Iterator[Case]:
    yield "H08 length beyond the body", post("Content-Length: 24")
    yield "H08 no body at all", post("Content-Length: 23", body=b"")
    yield "H15 no CRLF at the end", chunked(b"17\r\n" + JOB + b"\r\n0\r\n")
    yield "H15 no last chunk", chunked(b"17\r\n" + JOB + b"\r\n")
    yield "H15 cut within a chunk", chunked(b"17\r\n" + JOB[:9])
    yield "H15 cut within a size", chunked(b"1")
    yield "H15 cut within a trailer", chunked(b"17\r\n" + JOB + b"\r\n0\r\nX-A: v\r\n")
    yield "H13 cut after a bare LF", chunked(b"17\n" + JOB)
    for size in (b"FFFFFFFFFFFFFFFF", b"F" * 8_000, b"1" * 9_000, b"7fffffffffffffff"):
        yield f"H14 chunk size {size[:20]!r} and no more", chunked(size + b"\r\n" + JOB)


def _params(cases: Iterator[Case]) -> list[object]:
    return [pytest.param(sent, id=name) for name, sent in cases]


NO_HTTP = [*_params(_lengths()), *_params(_codings()), *_params(_heads()), *_params(_lines())]
"""What cannot be parsed as HTTP, or not without guessing."""
NO_CHUNKS = _params(_chunks())
"""Bodies whose chunks are broken."""
CUT = _params(_cut())
"""Bodies that end before they should."""
