"""What goes over the wire in a call, and what is made of any answer, by real sockets."""

import ipaddress
import socket
from collections.abc import Callable, Iterator

import pytest

from app.net.outbound import Answer, CallError, Outbound, Target
from tests.support.receivers import Behaviour, Call, Receiver, answer, says

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def call(target: Target, body: bytes = b"{}") -> Answer:
    return target.call(headers={"X-Nth": "1"}, body=body, timeout_ms=30_000)


def sends(*parts: bytes, closes: bool = False) -> Behaviour:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        for part in parts:
            connection.sendall(part)
        if closes:
            connection.shutdown(socket.SHUT_RDWR)

    return behaviour


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def target(receiver: Receiver) -> Iterator[Target]:
    opened = Outbound(allowed=LOOPBACK).to(receiver.url)
    yield opened
    opened.close()


def test_a_call_has_our_headers_the_endpoints_and_its_own(receiver: Receiver) -> None:
    headers = {"user-agent": "theirs", "Authorization": "Basic abc"}
    target = Outbound(allowed=LOOPBACK).to(receiver.url, method="PATCH", headers=headers)
    call(target, b'{"a": 1}')
    target.close()
    [heard] = receiver.calls

    assert heard.line == "PATCH /jobs?x=1 HTTP/1.1"
    assert heard.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "theirs",
        "authorization": "Basic abc",
        "content-length": "8",
        "x-nth": "1",
    }
    assert heard.body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("", "/"),
        ("?x=1", "/?x=1"),
        ('/a"b?c={d}', "/a%22b?c=%7Bd%7D"),
        ("/%7E/%2f?%20", "/%7E/%2F?%20"),
        ("//a", "//a"),
    ],
)
def test_a_path_is_sent_as_it_is_written_or_encoded(receiver: Receiver, written: str, sent: str) -> None:
    target = Outbound(allowed=LOOPBACK).to(f"http://127.0.0.1:{receiver.port}{written}")
    call(target)
    target.close()
    assert receiver.calls[0].line == f"POST {sent} HTTP/1.1"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://EXAMPLE.com/", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("https://example.com:80/", "example.com:80"),
        ("http://example.com.:8080/", "example.com:8080"),
        ("https://[2606:4700::1111]/", "[2606:4700::1111]"),
        ("http://[2606:4700::1111]:8080/", "[2606:4700::1111]:8080"),
    ],
)
def test_the_host_is_named_without_what_goes_without_saying(url: str, host: str) -> None:
    target = Outbound(allowed=()).to(url)
    assert f"\r\nHost: {host}\r\n".encode() in target._head  # noqa: SLF001 -- nobody may listen on these ports


def test_a_header_that_would_make_two_is_refused() -> None:
    for value in ("a\r\nX: b", "a\nb", "a\rb"):
        with pytest.raises(CallError, match="line break"):
            Outbound(allowed=()).to("https://example.com/", headers={"X-Key": value})


@pytest.mark.parametrize(
    ("behaviour", "body", "is_kept"),
    [
        (says("200 OK", b"whole"), b"whole", True),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nwh", b"ole"), b"whole", True),
        (says("204 No Content"), b"", True),
        (sends(b"HTTP/1.1 100 Continue\r\n\r\n", answer(body=b"whole")), b"whole", True),
        (sends(CHUNKED, b"2\r\nwh\r\n3;x=y\r\nole\r\n0\r\nX: y\r\n\r\n"), b"whole", True),
        (says("200 OK", b"whole", "Connection: close"), b"whole", False),
        (sends(b"HTTP/1.0 200 OK\r\n\r\nwhole", closes=True), b"whole", False),
        (sends(b"HTTP/1.1 200 OK\r\n\r\nwhole", closes=True), b"whole", False),
        (sends(answer(body=b"whole") + answer("500 Broken")), b"whole", True),
    ],
)
def test_an_answer_is_read_to_its_end_and_its_connection_kept_if_it_can_be(
    receiver: Receiver, target: Target, behaviour: Behaviour, body: bytes, *, is_kept: bool
) -> None:
    receiver.behaviour = behaviour
    for _ in range(2):
        found = call(target)
        assert (found.status // 100, found.body) == (2, body)
    assert receiver.connections == (1 if is_kept else 2)


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", closes=True),
        sends(CHUNKED + b"5\r\nhal", closes=True),
        sends(CHUNKED + b"4\r\nhalf\r\n", closes=True),
        sends(CHUNKED + b"z\r\n", closes=True),
        sends(b"HTTP/1.1 2000 OK\r\n\r\n", closes=True),
        sends(b"HTTP/2 200 OK\r\n\r\n", closes=True),
        sends(b"HTTP/1.1 200 OK", closes=True),
        sends(b"HTTP/1.1 200 OK\r\nX: y\r\n", closes=True),
        sends(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, closes=True),
        sends(closes=True),
    ],
)
def test_an_answer_that_is_cut_short_or_none_is_a_failure_and_its_connection_is_not_kept(
    receiver: Receiver, target: Target, behaviour: Behaviour
) -> None:
    receiver.behaviour = behaviour
    with pytest.raises(
        CallError, match=r"the (connection broke before|head of|body of) the answer (was whole|is not HTTP): "
    ):
        call(target)
    receiver.behaviour = says()
    assert call(target).status == 200
    assert receiver.connections == 2


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999999\r\n\r\n", b"x" * 1_200_000),
        sends(CHUNKED, *[b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 20),
        sends(CHUNKED, b"1\r\nx\r\n" * 250_000),
        sends(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1_200_000),
        sends(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 3),
    ],
)
def test_an_answer_that_is_too_long_is_a_failure(receiver: Receiver, target: Target, behaviour: Behaviour) -> None:
    receiver.behaviour = behaviour
    with pytest.raises(CallError, match="the answer is longer than 1048576 bytes"):
        call(target)


def test_an_answer_counts_that_comes_before_all_is_read(target: Target, receiver: Receiver) -> None:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        connection.sendall(answer("413 Too Large", b"", "Connection: close"))
        connection.shutdown(socket.SHUT_RDWR)

    receiver.behaviour = behaviour
    assert call(target).status == 413


def test_a_kept_connection_that_the_endpoint_has_closed_or_speaks_on_is_not_used_again(
    receiver: Receiver, target: Target
) -> None:
    said: list[Callable[[], object]] = []

    def behaviour(connection: socket.socket, _call: Call) -> None:
        said[:] = (
            lambda: connection.sendall(b"HTTP/1.1 500 Late\r\n\r\n"),
            lambda: connection.shutdown(socket.SHUT_RDWR),
        )
        connection.sendall(answer())

    receiver.behaviour = behaviour
    for nth in (0, 1):
        call(target)
        said[nth]()
    assert call(target).status == 200
    assert receiver.connections == 3


def test_a_target_that_is_closed_keeps_no_connection(receiver: Receiver) -> None:
    target = Outbound(allowed=LOOPBACK).to(receiver.url, concurrency=1)
    call(target)
    call(target)
    target.close()
    call(target)
    call(target)
    assert receiver.connections == 1 + 2, "what is closed keeps none"
