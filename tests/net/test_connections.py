"""Which connections are kept, for how long, and what happens when no more can be opened, by real sockets."""

import functools
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable

import gevent
import pytest

from app.net.connections import Connections
from app.net.descriptors import OutOfDescriptors
from app.net.outbound import Outbound, Target
from tests.support.clusters import PATIENCE_S, open_files
from tests.support.receivers import Call, Receiver, answer

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Ends:
    """A behaviour that answers, closes its side if it is to, and counts the connections that the caller has closed."""

    def __init__(self, *, closes: bool) -> None:
        self.count, self._closes, self._lock = 0, closes, threading.Lock()

    def has_seen(self, count: int) -> bool:
        return self.count == count

    def __call__(self, connection: socket.socket, _call: Call) -> None:
        connection.sendall(answer())
        if self._closes:
            connection.shutdown(socket.SHUT_WR)
        if not connection.recv(1):
            with self._lock:
                self.count += 1


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds, while greenlets run."""
    ends_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_at
        gevent.sleep(0.01)


def outbound(*, files: int = 1_000, unused_s: float = 600.0) -> Outbound:
    return Outbound(allowed=LOOPBACK, shared=Connections(open_files=files, unused_s=unused_s, look_s=0.05))


def call(target: Target) -> int:
    return target.call(headers={}, body=b"{}", timeout_ms=30_000).status


def test_a_connection_that_is_not_used_is_closed_after_its_time() -> None:
    ends = Ends(closes=False)
    with Receiver(ends) as receiver:
        call(outbound(unused_s=0.1).to(receiver.url))
        until(lambda: ends.count == 1)


@pytest.mark.parametrize("rounds", [1, 2])
def test_connections_that_their_receiver_closed_are_closed_without_another_call(rounds: int) -> None:
    ends = Ends(closes=True)
    with Receiver(ends) as receiver:
        shared = outbound()
        targets = [shared.to(receiver.url) for _ in range(5)]
        for nth in range(1, rounds + 1):
            for target in targets:
                call(target)
            until(functools.partial(ends.has_seen, 5 * nth))


def test_all_targets_together_keep_so_many_connections_and_close_the_one_unused_longest() -> None:
    ends = Ends(closes=False)
    with Receiver(ends) as receiver, Receiver() as quick:
        shared = outbound(files=12)
        oldest, *others = [shared.to(quick.url) for _ in range(3)]
        for target in (oldest, *others, oldest):
            call(target)
        call(shared.to(receiver.url))  # the fourth: the first of `others` loses its connection
        for target in (oldest, others[1], others[0]):
            call(target)
        assert quick.connections == 4
        until(lambda: ends.count == 1)  # it was the one unused the longest, when `others[0]` had a new one


def test_a_closed_target_keeps_no_connection_and_others_keep_theirs() -> None:
    ends = Ends(closes=False)
    with Receiver(ends) as receiver, Receiver() as other:
        shared = outbound()
        gone, staying = shared.to(receiver.url), shared.to(other.url)
        for target in (gone, staying):
            call(target)
        gone.close()
        until(lambda: ends.count == 1)
        call(staying)
    assert other.connections == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_shortage_of_descriptors_is_told_apart_from_a_fault_of_the_endpoint(host: str) -> None:
    with Receiver() as receiver:
        shared = outbound()
        target = shared.to(f"http://{host}:{receiver.port}/")
        assert call(target) == 200
        target.close()
        with open_files(3), pytest.raises(OutOfDescriptors):
            call(target)
        assert call(target) == 200


def test_idle_connections_of_others_are_given_up_in_a_shortage_of_descriptors() -> None:
    with Receiver() as receiver, Receiver() as wanted:
        shared = outbound()
        for _ in range(3):  # one for the new connection, and two more for its other end in this process
            call(shared.to(receiver.url))
        lowest = os.dup(0)
        os.close(lowest)
        with open_files(lowest):
            assert call(shared.to(wanted.url)) == 200
