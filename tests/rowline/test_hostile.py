"""What the client makes of a server, or of a proxy, that means harm or is something else."""

import gzip
from collections.abc import Iterator

import pytest
import rowline
from rowline import bodies, transport

from tests.support import hostile

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
HELLO = b'id: 5\nevent: hello\ndata: {"cursor":5}\n\n'


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit for responses that a test can exceed."""
    monkeypatch.setattr(bodies, "LONGEST", 2 * bodies.CHUNK)


def ask(url: str) -> dict[str, int]:
    with rowline.Rowline(url, "t", timeout_s=0.5) as client:
        return client.queue("q").counts()


def chunked(*pieces: bytes) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@pytest.mark.parametrize(
    "asked", ["9" * 400, "9" * 5_000, "-1", "NaN", "1e400", "Fri, 31 Dec 9999 23:59:59 GMT", "²", ""]
)
def test_no_retry_after_is_more_than_a_day_or_an_error_of_its_own(asked: str) -> None:
    said = hostile.answer({"error": "later", "code": "no_room"}, f"Retry-After: {asked}", status="503 Later")
    with hostile.saying(said) as server, pytest.raises(rowline.Unavailable, match="later"):
        ask(server.url)
    assert 0.0 <= transport.retry_after_s(asked) <= transport.LONGEST_ASKED_S + transport.FIRST_PAUSE_S


def test_retry_after_counts_as_it_is_said() -> None:
    assert 7 <= transport.retry_after_s("007") <= 7 + transport.FIRST_PAUSE_S
    assert transport.retry_after_s("99999999") >= transport.LONGEST_ASKED_S
    assert transport.retry_after_s(None) == 0


@pytest.mark.parametrize("name", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "x" * 1_000])
def test_an_encoding_that_nobody_asked_for_is_refused_by_its_name(name: str) -> None:
    body = gzip.compress(b" " * 10_000_000)
    with (
        hostile.saying(hostile.answer(body, f"Content-Encoding: {name}")) as server,
        pytest.raises(rowline.RowlineError, match=name[:100]) as raised,
    ):
        ask(server.url)
    assert raised.value.code == "not_rowline"
    assert b"accept-encoding: identity\r\n" in server.requests[0].lower()
    assert len(server.requests) == 1


def test_a_response_may_say_that_it_is_not_encoded() -> None:
    page = {"counts": {"failed": 1}, "jobs": [], "start": 0, "length": 0}
    with hostile.saying(hostile.answer(page, "Content-Encoding: Identity")) as server:
        assert ask(server.url) == {"failed": 1}


def test_of_an_encoded_error_the_status_is_told() -> None:
    body = gzip.compress(b'{"error":"secret"}')
    with (
        hostile.saying(hostile.answer(body, "Content-Encoding: gzip", status="403 No")) as server,
        pytest.raises(rowline.Forbidden, match="responded with status 403"),
    ):
        ask(server.url)


def test_an_encoded_stream_of_events_is_refused() -> None:
    said = STREAM + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(HELLO)
    with (
        hostile.saying(said) as server,
        rowline.Rowline(server.url, "t") as client,
        pytest.raises(rowline.RowlineError, match="gzip"),
    ):
        client.events()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("status", ["200 OK", "400 No", "503 Later"])
@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked", "Connection: close"])
def test_no_more_of_a_response_is_read_than_it_may_have(framing: str, status: str) -> None:
    pieces = [b" " * 10_000] * 100
    body = chunked(*pieces) if "chunked" in framing else pieces
    with (
        hostile.saying(f"HTTP/1.1 {status}\r\n{framing}\r\n\r\n".encode(), *body) as server,
        pytest.raises(rowline.RowlineError, match="over 131072 bytes") as raised,
    ):
        ask(server.url)
    assert raised.value.code == "not_rowline"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("piece", [b"x" * 10_000, b"data: x\n" * 1_250], ids=["a line", "lines"])
def test_no_more_of_an_event_is_read_than_it_may_have(piece: bytes) -> None:
    body = chunked(HELLO, *[piece] * 100)
    with (
        hostile.saying(STREAM + b"Transfer-Encoding: chunked\r\n\r\n", *body) as server,
        rowline.Rowline(server.url, "t") as client,
        client.events() as events,
        pytest.raises(rowline.RowlineError, match="an event has over 131072 bytes"),
    ):
        next(iter(events))


@pytest.mark.usefixtures("short")
def test_a_stream_may_go_on_for_ever() -> None:
    event = b'id: 72\nevent: added\ndata: {"type":"added"}\n\n'
    body = chunked(HELLO, *[b":\n" * 5_000 + event * 100] * 100)
    with (
        hostile.saying(STREAM + b"Transfer-Encoding: chunked\r\n\r\n", *body) as server,
        rowline.Rowline(server.url, "t") as client,
        client.events() as events,
    ):
        coming = iter(events)
        assert {next(coming).event_id for _ in range(10_000)} == {72}


@pytest.mark.parametrize("claim", [0, 1])
@pytest.mark.parametrize("said", [[], ["completed"] * 2, 5, None, [1]])
def test_an_answer_with_another_number_of_statuses_is_none(said: object, claim: int) -> None:
    ending = rowline.Completion(lease=Held(), returnvalue=1)
    with (
        hostile.saying(hostile.answer({"finished": said, "jobs": []})) as server,
        rowline.Rowline(server.url, "t") as client,
        pytest.raises(rowline.RowlineError, match="not a response of Rowline"),
    ):
        client.queue("q").finish([ending], claim=claim)


class Held:
    id = token = "x"


@pytest.mark.parametrize(
    "event",
    [
        b"event: added\nid: 7\ndata: [1]\n\n",
        b"event: added\nid: 7\ndata: {\n\n",
        b"event: added\nid: 7\ndata: " + b"[" * 100_000 + b"\n\n",
        b"event: added\nid: x\ndata: {}\n\n",
        b"event: added\nid: " + b"9" * 5_000 + b"\ndata: {}\n\n",
        b"event: \xff\n\n",
    ],
    ids=range(6),
)
def test_an_event_that_is_none_of_rowline_is_told(event: bytes) -> None:
    with (
        hostile.saying(STREAM + b"Connection: close\r\n\r\n", HELLO, event) as server,
        rowline.Rowline(server.url, "t") as client,
        client.events() as events,
        pytest.raises(rowline.RowlineError, match="not a stream of Rowline"),
    ):
        next(iter(events))


def test_a_stream_that_begins_with_something_else_is_none() -> None:
    for first in (HELLO.replace(b"5}", b"[]}"), b"event: hello\ndata: [1]\n\n", b"<html>\n\n"):
        with (
            hostile.saying(STREAM + b"Connection: close\r\n\r\n", first) as server,
            rowline.Rowline(server.url, "t") as client,
            pytest.raises(rowline.RowlineError, match="not a stream of Rowline"),
        ):
            client.events()


@pytest.mark.parametrize(
    "said", [{"error": 5, "code": [], "details": 5}, {"error": "x", "details": [1, "x", []]}, b"[" * 100_000, b"\xff"]
)
def test_an_error_that_is_none_of_rowline_is_told_nevertheless(said: object) -> None:
    with (
        hostile.saying(hostile.answer(said, status="404 Away")) as server,
        pytest.raises(rowline.NotFound) as raised,
    ):
        ask(server.url)
    assert isinstance(raised.value.message, str)
    assert isinstance(raised.value.code, str)
    assert raised.value.details == ()
