"""Long work lets others have their turns."""

import time
from concurrent.futures import ThreadPoolExecutor

import gevent
from gevent import socket

from app.infra import callers, cooperation
from tests.support.clusters import until


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


def test_who_steps_aside_goes_on_behind_everybody_who_is_ready() -> None:
    """Also behind those whose sockets have become ready since the event loop looked last."""
    seen: list[str] = []
    ours, theirs = socket.socketpair()

    def neighbour() -> None:
        while ours.recv(1):
            seen.append("neighbour")

    with ours, theirs:
        reader = gevent.spawn(neighbour)
        gevent.sleep(0.01)
        for _ in range(3):
            theirs.sendall(b"x")
            cooperation.step_aside()
            seen.append("stranger")
        reader.kill()
    assert seen == ["neighbour", "stranger"] * 3


def test_long_work_goes_round_by_caller() -> None:
    went: list[str] = []

    def work(caller: str) -> None:
        callers.current.set(caller)
        with cooperation.alone():
            went.append(caller)

    with ThreadPoolExecutor(4) as pool, cooperation.alone():
        for nth, caller in enumerate(("a", "a", "a", "b"), start=1):
            pool.submit(work, caller)
            until(lambda nth=nth: sum(map(len, cooperation._turn._lines.values())) == nth)  # type: ignore[misc]  # noqa: SLF001
        assert not went
    assert went == ["a", "b", "a", "a"]
