"""The port with the metrics of a worker or a dispatcher: who reaches it can cost the process nearly nothing."""

import contextlib
import http.client
import socket
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from app.infra import metricserver
from app.infra.settings import SettingsError

BODY = b"rowline_build_info 1\n"


@contextlib.contextmanager
def _serving(
    *, text: Callable[[], bytes] = lambda: BODY, clients_max: int = 8, client_s: float = 10.0
) -> Iterator[int]:
    server = metricserver.start(text, host="127.0.0.1", port=0, clients_max=clients_max, client_s=client_s)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _get(port: int, path: str = "/metrics") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
        return bytes(response.read())


def _sent(port: int, request: bytes) -> bytes:
    """Send it, and return all that is answered until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def _closed(connection: socket.socket) -> bool:
    """Wait until the other side closes; it has said nothing."""
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def test_the_metrics_are_at_one_path_and_others_name_it() -> None:
    with _serving() as port:
        assert _get(port) == _get(port, "/metrics?name=one") == BODY
        with pytest.raises(urllib.error.HTTPError) as refused:
            _get(port, "/")
    assert refused.value.code == 404
    assert b"/metrics" in refused.value.read()


@pytest.mark.parametrize(
    ("line", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1", b"200 OK", BODY),
        (b"HEAD /metrics HTTP/1.1", b"200 OK", b""),
        (b"HEAD /else HTTP/1.1", b"404 Not Found", b""),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed", b"The methods are GET and HEAD\n"),
        (b"GET /metrics", b"400 Bad Request", b"This is no request of HTTP/1.1\n"),
        (b"PRI * HTTP/2.0", b"400 Bad Request", b"This is no request of HTTP/1.1\n"),
        (b"GET /metrics?" + b" " * 4_000, b"400 Bad Request", b"This is no request of HTTP/1.1\n"),
    ],
)
def test_a_request_is_answered_and_its_connection_closed(line: bytes, status: bytes, body: bytes) -> None:
    with _serving() as port:
        head, _, said = _sent(port, line + b"\r\nHost: x\r\nConnection: keep-alive\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"\r\nConnection: close" in head
    assert (b"\r\nAllow: GET, HEAD" in head) == status.startswith(b"405")
    assert said == body


def test_heads_of_other_line_ends_and_without_fields_are_read_too() -> None:
    with _serving() as port:
        for head in (b"GET /metrics HTTP/1.0\n\n", b"GET /metrics HTTP/1.0\r\n\r\n"):
            assert _sent(port, head).endswith(b"\r\n\r\n" + BODY)


def test_a_long_line_or_head_is_refused() -> None:
    longest = b"GET /metrics?" + b"x" * (metricserver.LINE_MAX - 22) + b" HTTP/1.1"
    assert len(longest) == metricserver.LINE_MAX
    fields = b"\r\nX: " + b"x" * (metricserver.HEAD_MAX - metricserver.LINE_MAX - 9) + b"\r\n\r\n"
    with _serving() as port:
        assert _sent(port, longest + fields).startswith(b"HTTP/1.1 200 ")
        assert _sent(port, longest.replace(b"x", b"xx", 1) + b"\r\n\r\n").startswith(b"HTTP/1.1 414 ")
        assert _sent(port, b"x" * (metricserver.HEAD_MAX + 1)).startswith(b"HTTP/1.1 414 ")
        assert _sent(port, longest + fields.replace(b"x", b"xx", 1)).startswith(b"HTTP/1.1 431 ")


def test_a_head_in_many_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece wakes the process."""
    monkeypatch.setattr(metricserver, "READS_MAX", 1)
    with _serving() as port:
        assert _sent(port, b"GET /metrics HTTP/1.1\r\n").startswith(b"HTTP/1.1 431 ")


def test_megabytes_of_fields_are_not_kept() -> None:
    head = b"GET /metrics HTTP/1.1\r\n" + b"".join(b"x%d: %b\r\n" % (nth, b"a" * 65_500) for nth in range(98)) + b"\r\n"
    with _serving() as port:
        _get(port)  # what is done at first only is done
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            tracemalloc.start()
            try:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(head)
                    while connection.recv(1_024):
                        pass
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    assert peak < 64 * 1_024


def test_the_metrics_are_made_once_a_second_and_not_for_a_flood() -> None:
    made = list[int]()

    def text() -> bytes:
        made.append(1)
        return BODY

    with _serving(text=text) as port:
        began_at = time.monotonic()
        for _ in range(10):
            _get(port)
        took_s = time.monotonic() - began_at
        assert took_s >= 9 * metricserver.PAUSE_S
        assert len(made) <= 1 + took_s / metricserver.AGE_S


def test_a_port_in_use_is_a_setting_that_is_named() -> None:
    with _serving() as port, pytest.raises(SettingsError, match="ROWLINE_METRICS_PORT"):
        metricserver.start(lambda: BODY, host="127.0.0.1", port=port)


def test_more_connections_than_there_is_room_for_are_closed_at_once() -> None:
    with _serving(clients_max=2) as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", port), timeout=60) as one_more:
            assert _closed(one_more)
        for connection in held:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert connection.recv(1)  # those that were let in are served
            connection.close()


def test_who_sends_a_byte_now_and_then_is_ended_too() -> None:
    with _serving(clients_max=1, client_s=0.5) as port:
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        is_ended = threading.Event()

        def dribble() -> None:
            with contextlib.suppress(OSError):
                while not is_ended.wait(0.05):
                    connection.sendall(b"G")

        sender = threading.Thread(target=dribble)
        sender.start()
        assert _closed(connection)
        is_ended.set()
        sender.join()
        connection.close()
        assert _until_served(port) == BODY


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost: "], ids=["silent", "half a head"])
def test_who_sends_nothing_more_is_ended(sent: bytes) -> None:
    with _serving(clients_max=1, client_s=0.2) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(sent)
            assert _closed(connection)
        assert _until_served(port) == BODY


def test_who_does_not_read_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metricserver, "AGE_S", 0.0)
    texts = [BODY, b"x" * 50_000_000]
    with (
        _serving(text=lambda: texts.pop() if len(texts) > 1 else BODY, clients_max=1, client_s=0.2) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
    ):
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert _until_served(port) == BODY, "while the other is open still"
    assert texts == [BODY]


def _until_served(port: int) -> bytes:
    """Ask until there is room again: the thread of the connection before ends just after its client saw so."""
    ends_at = time.monotonic() + 60
    while True:
        try:
            return _get(port)
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < ends_at
