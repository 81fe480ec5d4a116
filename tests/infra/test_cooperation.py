"""Long work lets others have their turns."""

import time

import gevent
from gevent import socket

from app.infra import cooperation


def test_who_waits_for_a_socket_has_a_turn_after_a_piece_of_work() -> None:
    ours, theirs = socket.socketpair()
    read: list[bytes] = []
    reader = gevent.spawn(lambda: read.append(ours.recv(1)))
    gevent.sleep(0.01)
    theirs.sendall(b"x")
    for _ in range(5):
        until = time.perf_counter() + 2 * cooperation.PIECE_S
        while time.perf_counter() < until:
            pass
        cooperation.give_way()
    assert read == [b"x"]
    reader.join()
    ours.close()
    theirs.close()
