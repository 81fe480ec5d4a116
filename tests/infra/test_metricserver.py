"""The port with the metrics of a worker or a dispatcher: who reaches it can cost the process nearly nothing."""

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from app.infra import metricserver
from app.infra.settings import SettingsError

BODY = b"rowline_build_info 1\n"


@contextlib.contextmanager
def _serving(*, clients_max: int = 8, client_s: float = 10.0) -> Iterator[int]:
    server = metricserver.start(lambda: BODY, host="127.0.0.1", port=0, clients_max=clients_max, client_s=client_s)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _get(port: int, path: str = "/metrics") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
        return bytes(response.read())


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


def _until_served(port: int) -> bytes:
    """Ask until there is room again: the thread of the connection before ends just after its client saw so."""
    ends_at = time.monotonic() + 60
    while True:
        try:
            return _get(port)
        except OSError:
            assert time.monotonic() < ends_at
