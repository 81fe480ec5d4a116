"""Where calls may go: every spelling of a forbidden address, through the connect path, to a canary that hears none."""

import ipaddress
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import trustme

from app.net import addresses
from app.net.outbound import Answer, CallError, Outbound
from tests.support.receivers import Call, Receiver, answer, tls
from tests.support.spellings import HOSTS, LOOK_ALIKES, ONLY_RESOLVED

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
REFUSED = r"not public|cannot be resolved|cannot be read"


def call(outbound: Outbound, url: str, *, timeout_ms: int = 30_000) -> Answer:
    target = outbound.to(url)
    try:
        return target.call(headers={}, body=b"{}", timeout_ms=timeout_ms)
    finally:
        target.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Receiver]:
    with Receiver(everywhere=True) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def forbidding() -> Outbound:
    """One that calls public addresses alone. Each loads the authorities of the system, for 20 ms."""
    return Outbound(allowed=())


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_a_forbidden_address_is_registered_or_connected_to(
    canary: Receiver, forbidding: Outbound, host: str
) -> None:
    url = f"http://{host}:{canary.port}/"
    assert host in ONLY_RESOLVED or addresses.url_fault(url, allowed=())
    with pytest.raises(CallError, match=REFUSED):
        call(forbidding, url)
    assert canary.connections == 0


@pytest.mark.parametrize("host", LOOK_ALIKES)
def test_no_look_alike_of_a_forbidden_address_is_registered_or_connected_to(
    canary: Receiver, forbidding: Outbound, host: str
) -> None:
    assert addresses.url_fault(f"http://{host}:{canary.port}/", allowed=())
    with pytest.raises(CallError, match=REFUSED):
        forbidding.vetted(host, canary.port)
    assert canary.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"),
        *("168.63.129.15", "168.63.129.17"),
    ],
)
def test_public_addresses_are_open(host: str) -> None:
    assert addresses.url_fault(f"https://{host}/", allowed=()) is None


@pytest.mark.parametrize(
    "host", ["[2606:4700::1111]", "[2a00:1450::1]", "example.com", "xn--bcher-kva.example", "a_b.example."]
)
def test_names_and_public_addresses_of_ipv6_are_open(host: str) -> None:
    assert addresses.url_fault(f"https://{host}/", allowed=()) is None


@pytest.mark.parametrize(
    "place",
    [
        *("![2606:4700::1]", "a.example[2606:4700::1]", "[2606:4700::1]a.example", "[2606:4700::1]:80:80", "[v1.a]"),
        *("[a.example]", "[1.1.1.1]", "[[2606:4700::1]]", "[2606:4700::1", "2606:4700::1]", "2606:4700::1", "[]"),
    ],
)
def test_brackets_have_an_address_of_ipv6_alone_in_them(place: str) -> None:
    assert addresses.url_fault(f"http://{place}/", allowed=())


@pytest.mark.parametrize("place", ["[2606:4700::1]:8080", "[2606:4700::1]:"])
def test_an_address_in_brackets_may_have_a_port(place: str) -> None:
    assert addresses.url_fault(f"http://{place}/", allowed=()) is None


@pytest.mark.parametrize("port", [0, 1, 22, 25, 79, 81, 442, 444, 1023])
def test_ports_of_old_services_are_closed(forbidding: Outbound, port: int) -> None:
    assert not addresses.port_is_open(port)
    with pytest.raises(CallError, match=f"port {port} may not be called"):
        forbidding.vetted("example.com", port)


@pytest.mark.parametrize(
    "found", [["93.184.216.34", "127.0.0.1"], ["2606:4700::1111", "::1"], ["127.0.0.1"], ["::ffff:127.0.0.1"]]
)
def test_one_forbidden_address_among_many_fails_the_call(canary: Receiver, found: list[str]) -> None:
    outbound = Outbound(allowed=(), resolver=lambda _host, _port: found)
    with pytest.raises(CallError, match="not public"):
        call(outbound, f"http://public.example:{canary.port}/")
    assert canary.connections == 0


def test_a_name_that_changes_is_looked_at_again_and_resolved_once_a_connect(canary: Receiver) -> None:
    said = [["127.0.0.1"], ["10.0.0.1"]]

    with Receiver() as receiver:
        outbound = Outbound(allowed=LOOPBACK, resolver=lambda _host, _port: said.pop(0))
        assert call(outbound, f"http://rebinding.example:{receiver.port}/").status == 200
        with pytest.raises(CallError, match="not public"):
            call(outbound, f"http://rebinding.example:{receiver.port}/")
        assert receiver.calls[0].headers["host"] == f"rebinding.example:{receiver.port}"

    assert said == []


def test_connections_are_kept_and_used_again() -> None:
    with Receiver() as receiver:
        target = Outbound(allowed=LOOPBACK).to(receiver.url)
        for _ in range(3):
            target.call(headers={}, body=b"{}", timeout_ms=30_000)
        target.close()

    assert (receiver.connections, len(receiver.calls)) == (1, 3)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_certificate_that_nobody_vouches_for_fails_the_call(authority: trustme.CA) -> None:
    with Receiver(tls=tls(authority.issue_cert("hook.example"))) as receiver:
        outbound = Outbound(allowed=LOOPBACK, resolver=lambda _host, _port: ["127.0.0.1"])
        with pytest.raises(CallError, match=r"TLS with the endpoint failed: .*certificate verify failed"):
            call(outbound, f"https://hook.example:{receiver.port}/")
    assert receiver.calls == []


@pytest.mark.parametrize(("named", "is_good"), [("hook.example", True), ("other.example", False)])
def test_the_name_decides_over_a_certificate_and_not_the_address(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, named: str, *, is_good: bool
) -> None:
    with authority.cert_pem.tempfile() as file, Receiver(tls=tls(authority.issue_cert(named))) as receiver:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        outbound = Outbound(allowed=LOOPBACK, resolver=lambda _host, _port: ["127.0.0.1"])
        if is_good:
            assert call(outbound, f"https://hook.example:{receiver.port}/").status == 200
            return
        with pytest.raises(CallError, match="TLS with the endpoint failed"):
            call(outbound, f"https://hook.example:{receiver.port}/")


def test_a_certificate_that_is_over_fails_the_call(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    old = authority.issue_cert("hook.example", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    with authority.cert_pem.tempfile() as file, Receiver(tls=tls(old)) as receiver:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        outbound = Outbound(allowed=LOOPBACK, resolver=lambda _host, _port: ["127.0.0.1"])
        with pytest.raises(CallError, match="certificate has expired"):
            call(outbound, f"https://hook.example:{receiver.port}/")


def test_an_answer_is_not_decompressed() -> None:
    def gzipped(connection: socket.socket, _call: object) -> None:
        connection.sendall(answer("200 OK", b"\x1f\x8b\x08", "Content-Encoding: gzip"))

    with Receiver(gzipped) as receiver:
        found = call(Outbound(allowed=LOOPBACK), receiver.url)
    assert (found.body, found.headers["content-encoding"]) == (b"\x1f\x8b\x08", "gzip")
    assert receiver.calls[0].headers["accept-encoding"] == "identity"


def test_a_kept_connection_of_tls_that_ends_under_a_call_is_replaced(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behaviour(connection: socket.socket, call: Call) -> None:
        if len(receiver.calls) in {2, 4}:
            raise ConnectionAbortedError  # and no word of TLS about the end
        connection.sendall(answer())

    certificate = tls(authority.issue_cert("hook.example"))
    with authority.cert_pem.tempfile() as file, Receiver(behaviour, tls=certificate) as receiver:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        outbound = Outbound(allowed=LOOPBACK, resolver=lambda _host, _port: ["127.0.0.1"])
        target = outbound.to(f"https://hook.example:{receiver.port}/")
        found = [target.call(headers={}, body=b"x" * 200_000, timeout_ms=30_000).status for _ in range(3)]
        target.close()

    assert (found, receiver.connections, len(receiver.calls)) == ([200] * 3, 3, 5)


NESTED = b"".join(b"--b%d\rcontent-type: multipart/mixed; boundary=b%d\r\r" % (n, n + 1) for n in range(450))
HTTP = "the head of the answer is not HTTP: its "


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        (b"X: a\rY: b\r\n", "line 2 is no header, or has a control character"),
        (b"X: 1\r\nX: y\rcontent-type: multipart/mixed; boundary=b0\r\r" + NESTED + b"\r" * 9_000 + b"\r\n", "line 3"),
        (b"content-type: message/rfc822\r\r" * 2_000 + b"\r\n", "line 2"),
        (b"content-type: multipart/mixed; boundary=b\r\n--b\r\ncontent-type: text/plain\r\n", "line 3"),
        (b"X: a\x00b\r\n", "line 2"),
        (b" folded: into the first line\r\n", "line 2"),
        (b"X : a\r\n", "line 2"),
        (b": a\r\n", "line 2"),
        (b"no colon\r\n", "line 2"),
        (b"X:" + b" " * 60_000 + b"\x7f\r\n", "line 2"),
        (b"Content-Length: 0, 5\r\n", "Content-Length is no number"),
        (b"Content-Length: 0\r\nContent-Length: 5\r\n", "Content-Length is no number"),
        (b"Content-Length: -1\r\n", "Content-Length is no number"),
        (b"Content-Length: " + b"9" * 5_000 + b"\r\n", "Content-Length is no number"),
        (b"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding is not chunked"),
    ],
)
def test_a_head_that_is_not_http_fails_the_call_and_says_where(head: bytes, fault: str) -> None:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")

    with Receiver(behaviour) as receiver, pytest.raises(CallError) as error:
        call(Outbound(allowed=LOOPBACK), receiver.url)
    assert str(error.value).startswith(HTTP + fault)


@pytest.mark.parametrize("line", [b"HTTP/2 200 OK", b"HTTP/1.1 99 Less", b"HTTP/1.1 200 O\x00K", b"ICY 200 OK", b""])
def test_an_answer_without_a_status_line_fails_the_call(line: bytes) -> None:
    fault = HTTP + "first line is no status line of HTTP/1"
    sent = line + b"\r\nContent-Length: 0\r\n\r\n"
    with Receiver(lambda peer, _call: peer.sendall(sent)) as receiver, pytest.raises(CallError, match=fault):
        call(Outbound(allowed=LOOPBACK), receiver.url)


@pytest.mark.parametrize(("count", "is_good"), [(100, True), (101, False)])
def test_a_head_has_up_to_100_headers(count: int, *, is_good: bool) -> None:
    head = b"HTTP/1.1 204 None\r\n" + b"X: y\r\n" * count + b"\r\n"
    with Receiver(lambda peer, _call: peer.sendall(head)) as receiver:
        if is_good:
            assert call(Outbound(allowed=LOOPBACK), receiver.url).headers == {"x": ", ".join(["y"] * 100)}
            return
        with pytest.raises(CallError, match="the head of the answer is not HTTP: it has over 100 headers"):
            call(Outbound(allowed=LOOPBACK), receiver.url)


@pytest.mark.parametrize(
    ("sent", "headers", "body"),
    [
        (b"X: \t a\xe4 b \t\r\nContent-Length: 2\r\n\r\nok", {"x": "a\xe4 b", "content-length": "2"}, b"ok"),
        (b"x-A:\nCONTENT-length:2\n\nok", {"x-a": "", "content-length": "2"}, b"ok"),
        (b"X: a\r\n\t b\r\nContent-Length: 2\r\n\r\nok", {"x": "a b", "content-length": "2"}, b"ok"),
        (b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", {"content-length": "2, 2"}, b"ok"),
        (b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", {"transfer-encoding": "Chunked"}, b"ok"),
        (b"Connection: close\r\n\r\nok", {"connection": "close"}, b"ok"),
    ],
    ids=["blanks", "LF alone", "a folded line", "a length twice", "chunks", "until the end"],
)
def test_heads_as_servers_write_them_are_read(sent: bytes, headers: dict[str, str], body: bytes) -> None:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        connection.sendall(b"HTTP/1.1 200\r\n" + sent)
        connection.shutdown(socket.SHUT_WR)

    with Receiver(behaviour) as receiver:
        found = call(Outbound(allowed=LOOPBACK), receiver.url)
    assert (found.status, found.reason, found.headers, found.body) == (200, "", headers, body)


SIZE, END = "the line before a chunk is no size", "no CRLF follows a chunk"


@pytest.mark.parametrize(
    ("chunks", "fault"),
    [
        *((size + b"\r\nhello\r\n0\r\n\r\n", SIZE) for size in (b"-5", b"0x5", b"+5", b"1_0", b" 5", b"", b"\xb25")),
        (b"-1\r\n", SIZE),
        (b"5\nhello\r\n0\r\n\r\n", SIZE),
        (b"5;a\rb\r\nhello\r\n0\r\n\r\n", SIZE),
        (b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n", SIZE),
        (b"5;" + b"a" * 260 + b"\r\nhello\r\n0\r\n\r\n", SIZE),
        (b"5\r\nhelloXX0\r\n\r\n", END),
        (b"5\r\nhello\n0\r\n\r\n", END),
        (b"5\r\nhello\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n", "a line after the last chunk is no header"),
        (b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n", "over 100 headers follow the last chunk"),
    ],
)
def test_chunks_that_are_not_http_fail_the_call_and_say_how(chunks: bytes, fault: str) -> None:
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    with Receiver(lambda peer, _call: peer.sendall(sent)) as receiver, pytest.raises(CallError) as error:
        call(Outbound(allowed=LOOPBACK), receiver.url)
    assert str(error.value).startswith("the body of the answer is not HTTP: " + fault)


@pytest.mark.parametrize(
    "chunks",
    [b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhello\r\n", b"5;a=", b"5\r\nhello\r\n0"],
)
def test_chunks_that_end_early_fail_the_call(chunks: bytes) -> None:
    def behaviour(connection: socket.socket, _call: Call) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        connection.shutdown(socket.SHUT_WR)

    fault = "the connection broke before the answer was whole"
    with Receiver(behaviour) as receiver, pytest.raises(CallError, match=fault):
        call(Outbound(allowed=LOOPBACK), receiver.url)


def test_chunks_as_servers_write_them_are_read_and_the_connection_is_kept() -> None:
    chunks = b"2  \r\nab\r\n1;a=b; c\r\nc\r\n" + b"%x\r\n%b\r\n" % (70_000, b"d" * 70_000) + b"0A\r\n0123456789\r\n"
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"00\r\nX: y\r\n\r\n"
    with Receiver(lambda peer, _call: peer.sendall(sent)) as receiver:
        target = Outbound(allowed=LOOPBACK).to(receiver.url)
        answers = [target.call(headers={}, body=b"{}", timeout_ms=30_000) for _ in range(2)]
        target.close()
    assert {answer.body for answer in answers} == {b"abc" + b"d" * 70_000 + b"0123456789"}
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("line", "field", "connections"),
    [
        ("HTTP/1.1", "A: b", 1),
        ("HTTP/1.1", "Connection: Close", 2),
        ("HTTP/1.0", "A: b", 2),
        ("HTTP/1.0", "Connection: Keep-Alive", 1),
    ],
)
def test_a_connection_is_kept_as_its_answer_says(line: str, field: str, connections: int) -> None:
    sent = f"{line} 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n".encode()
    with Receiver(lambda peer, _call: peer.sendall(sent)) as receiver:
        target = Outbound(allowed=LOOPBACK).to(receiver.url)
        for _ in range(2):
            target.call(headers={}, body=b"{}", timeout_ms=30_000)
        target.close()
    assert receiver.connections == connections
