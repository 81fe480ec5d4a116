"""Where calls may go: every spelling of a forbidden address, through the connect path, to a canary that hears none."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import gevent
import pytest
import trustme

from app.infra import addresses
from app.infra.outbound import Answer, CallError, Outbound
from tests.support.receivers import Receiver, answer, tls

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
REFUSED = r"not public|cannot be resolved|cannot be read"
HOSTS = [
    *("127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1"),
    *("017700000001", "0x7f.1", "127.0x1", "00000177.1", "0", "0.0.0.0", "0x0", "00", "127.0.0.1.", "1.2.3.4.5"),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "ip6-localhost", "127.255.255.255"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"),
    *("169.254.169.254", "0.1.2.3", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:8.8.8.8]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::1]", "[2002:7f00:1::]"),
    *("[2001::7f00:1]", "[2001:db8::1]", "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]"),
    *("[100::1]", "[3fff::1]", "[2001:2::1]", "[::ffff:0:127.0.0.1]", "[0:0:0:0:0:ffff:127.0.0.1]"),
    *("[fe80::1%25lo]", "[5f00::1]", "[4000::1]"),
]
WIDE = ("①②⑦.0.0.1", "127。0。0。1", "１２７.0.0.1", "127．0．0．1", "①②⑦。①", "𝟏𝟐𝟕.0.0.1", "ｌocalhost")  # noqa: RUF001


def call(outbound: Outbound, url: str, *, timeout_ms: int = 3_000) -> Answer:
    target = outbound.to(url)
    try:
        return target.call(method="POST", headers={}, body=b"{}", timeout_ms=timeout_ms)
    finally:
        target.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_a_forbidden_address_is_registered_or_connected_to(canary: Receiver, host: str) -> None:
    url = f"http://{host}:{canary.port}/"
    assert host == "ip6-localhost" or addresses.url_fault(url, allowed=())
    with pytest.raises(CallError, match=REFUSED):
        call(Outbound(allowed=()), url)
    assert canary.connections == 0


@pytest.mark.parametrize("host", WIDE)
def test_no_look_alike_of_a_forbidden_address_is_registered_or_connected_to(canary: Receiver, host: str) -> None:
    assert addresses.url_fault(f"http://{host}:{canary.port}/", allowed=())
    with pytest.raises(CallError, match=REFUSED):
        Outbound(allowed=()).vetted(host, canary.port)
    assert canary.connections == 0


@pytest.mark.parametrize("host", ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"])
def test_public_addresses_are_open(host: str) -> None:
    assert addresses.url_fault(f"https://{host}/", allowed=()) is None


@pytest.mark.parametrize(
    "host", ["[2606:4700::1111]", "[2a00:1450::1]", "example.com", "xn--bcher-kva.example", "a_b.example."]
)
def test_names_and_public_addresses_of_ipv6_are_open(host: str) -> None:
    assert addresses.url_fault(f"https://{host}/", allowed=()) is None


@pytest.mark.parametrize("port", [0, 1, 22, 25, 79, 81, 442, 444, 1023])
def test_ports_of_old_services_are_closed(port: int) -> None:
    assert not addresses.port_is_open(port)
    with pytest.raises(CallError, match=f"port {port} may not be called"):
        Outbound(allowed=()).vetted("example.com", port)


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
            target.call(method="POST", headers={}, body=b"{}", timeout_ms=3_000)
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


def test_a_name_that_hangs_in_the_resolver_keeps_one_thread() -> None:
    asked: list[str] = []
    let_go = threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        let_go.wait(10)
        return ["127.0.0.1"]

    outbound = Outbound(allowed=(), resolver=resolver)

    def refused() -> bool:
        with pytest.raises(CallError, match="not public"):
            outbound.vetted("hangs.example", 80)
        return True

    waiting = [gevent.spawn(refused) for _ in range(50)]
    gevent.spawn(let_go.set)  # after all of them have asked
    gevent.joinall(waiting)

    assert asked == ["hangs.example"]
    assert all(call.value for call in waiting)
