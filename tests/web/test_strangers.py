"""What those can cost others who have no token."""

import contextlib
import socket
import threading

from tests.support import raw
from tests.support.raw import DEADLINE_S, Server

REFUSED = b"HTTP/1.1 401"
SENT, ASKED = 1_000, 50


def test_who_has_no_token_has_a_small_share_of_a_process(server: Server) -> None:
    """Requests that wait for nothing stand behind one another; beside them somebody with a token asks, in turn."""
    wrong = raw.request("GET", "/queues/q/jobs", token="no-such-token")
    right = raw.request("GET", "/queues/q/jobs")
    server.ask(right * 20, wanted=20)  # what is done at first only is done
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as stranger:
        threading.Thread(target=stranger.sendall, args=(wrong * SENT,), daemon=True).start()
        refused = stranger.recv(2**16).count(REFUSED)
        for _ in range(ASKED):
            assert server.ask(right, wanted=1)[0].status == 200
        meanwhile = _there(stranger).count(REFUSED)
        refused += meanwhile
        while refused < SENT - 10:  # a word may be cut in two; all of them are answered in the end
            refused += stranger.recv(2**16).count(REFUSED)

    assert meanwhile < 4 * ASKED


def _there(connection: socket.socket) -> bytes:
    """Return what has come by now."""
    received = b""
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while more := connection.recv(2**20):
            received += more
    connection.settimeout(DEADLINE_S)
    return received
